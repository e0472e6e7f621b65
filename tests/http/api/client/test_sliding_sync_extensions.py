"""Extensions of sliding sync: to-device messages, encryption, account data, receipts, typing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reading import leave, room_path, set_state
from tests.running import Person, refused
from tests.sliding import Connection, Json, StableConnection, every_room

ENCRYPTED = {"algorithm": "m.megolm.v1.aes-sha2"}


def extended(connection: Connection, timeout: int = 0, last: int = 99, **extensions: Any) -> Json:
    """Return the extensions of an answer."""
    wanted = {name: {"enabled": True, **(config or {})} for name, config in extensions.items()}
    answer = connection.sync(timeout, lists={"all": every_room(last=last)}, extensions=wanted)
    found: Json = answer["extensions"]
    return found


def send_to(sender: Person, who: Person, text: str) -> None:
    messages = {"messages": {who.user_id: {"*": {"text": text}}}}
    sender.put(f"/sendToDevice/org.example/{text}", messages)


def texts(extensions: Json) -> list[str]:
    return [event["content"]["text"] for event in extensions["to_device"]["events"]]


def test_what_is_not_enabled_is_not_there(alice: Person) -> None:
    connection = Connection(alice)
    wanted = {
        "to_device": {},
        "e2ee": {"enabled": False},
        "typing": None,
        "org.example.unknown": {"enabled": True},
    }
    assert connection.sync(extensions=wanted)["extensions"] == {}


# Messages to the device.


def test_messages_come_until_they_are_acknowledged(alice: Person, bob: Person) -> None:
    connection = Connection(alice)
    send_to(bob, alice, "one")
    first = extended(connection, to_device=None)
    assert texts(first) == ["one"]
    assert texts(extended(connection, to_device=None)) == ["one"], "nothing was acknowledged"
    since = first["to_device"]["next_batch"]
    send_to(bob, alice, "two")
    second = extended(connection, to_device={"since": since})
    assert texts(second) == ["two"]
    since = second["to_device"]["next_batch"]
    assert texts(extended(connection, to_device={"since": since})) == []
    assert texts(extended(connection, to_device=None)) == [], "they are gone"


def test_messages_come_in_portions(alice: Person, bob: Person) -> None:
    for number in range(5):
        send_to(bob, alice, str(number))
    connection = Connection(alice)
    found: list[str] = []
    config: Json = {"limit": 2}
    for _ in range(3):
        part = extended(connection, to_device=config)
        found += texts(part)
        config = {"limit": 2, "since": part["to_device"]["next_batch"]}
    assert found == ["0", "1", "2", "3", "4"]


def test_a_new_connection_misses_no_message(alice: Person, bob: Person) -> None:
    extended(Connection(alice, "one"), to_device=None)
    send_to(bob, alice, "kept")
    assert texts(extended(Connection(alice, "two"), to_device=None)) == ["kept"]


@pytest.mark.parametrize("since", ["5", "nonsense", "s1_1_1_1_a", "d1_-1", "d1_1234567890123456789"])
def test_a_token_that_was_never_given_is_refused(alice: Person, since: str) -> None:
    wanted = {"to_device": {"enabled": True, "since": since}}
    refused(Connection(alice).request(extensions=wanted), 400, "M_INVALID_PARAM")


# Encryption.


def test_counts_of_keys_are_in_every_answer(alice: Person) -> None:
    connection = Connection(alice)
    first = extended(connection, e2ee=None)["e2ee"]
    assert first["device_unused_fallback_key_types"] == []
    assert "device_lists" not in first
    assert "device_one_time_keys_count" in extended(connection, e2ee=None)["e2ee"]


def test_changed_devices_of_whom_one_shares_an_encrypted_room_with(
    alice: Person, bob: Person, carol: Person
) -> None:
    room_id = alice.create_room(preset="public_chat")
    set_state(alice, room_id, "m.room.encryption", ENCRYPTED)
    bob.join(room_id)
    connection = Connection(alice)
    extended(connection, e2ee=None, last=0)
    for person in (bob, carol):
        person.put(f"/devices/{person.device_id}", {"display_name": "new"})
    assert extended(connection, e2ee=None)["e2ee"]["device_lists"] == {"changed": [bob.user_id], "left": []}
    assert "device_lists" not in extended(connection, e2ee=None)["e2ee"]
    carol.join(room_id)
    assert extended(connection, e2ee=None)["e2ee"]["device_lists"]["changed"] == [carol.user_id]
    leave(carol, room_id)
    assert extended(connection, e2ee=None)["e2ee"]["device_lists"]["left"] == [carol.user_id]


def test_devices_are_told_of_rooms_outside_of_the_windows(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    set_state(alice, room_id, "m.room.encryption", ENCRYPTED)
    connection = Connection(alice)
    connection.sync(extensions={"e2ee": {"enabled": True}})
    bob.join(room_id)
    answer = connection.sync(extensions={"e2ee": {"enabled": True}})
    assert answer["extensions"]["e2ee"]["device_lists"]["changed"] == [bob.user_id]
    assert answer["rooms"] == {}


# Account data.


def types_of(events: list[Json]) -> set[str]:
    return {event["type"] for event in events}


def test_account_data_comes_whole_and_then_as_it_changes(alice: Person) -> None:
    room_id = alice.create_room()
    own = f"/user/{alice.user_id}"
    alice.put(f"{own}/account_data/org.example.global", {"a": 1})
    alice.put(f"{own}/rooms/{room_id}/account_data/org.example.room", {"b": 1})
    connection = Connection(alice)
    first = extended(connection, account_data=None)["account_data"]
    assert types_of(first["global"]) == {"m.push_rules", "org.example.global"}
    assert types_of(first["rooms"][room_id]) == {"org.example.room"}
    assert "account_data" not in extended(connection, account_data=None)
    alice.put(f"{own}/account_data/org.example.global", {"a": 2})
    changed = extended(connection, account_data=None)["account_data"]
    assert changed == {"global": [{"type": "org.example.global", "content": {"a": 2}}], "rooms": {}}
    alice.put(f"{own}/rooms/{room_id}/tags/m.favourite", {})
    changed = extended(connection, account_data=None)["account_data"]
    assert (changed["global"], types_of(changed["rooms"][room_id])) == ([], {"m.tag"})


def test_account_data_of_a_room_comes_with_the_room(alice: Person) -> None:
    hidden, shown = alice.create_room(), alice.create_room()
    alice.put(f"/user/{alice.user_id}/rooms/{hidden}/tags/m.favourite", {})
    connection = Connection(alice)
    assert extended(connection, last=0, account_data=None)["account_data"]["rooms"] == {}
    alice.put(f"/user/{alice.user_id}/rooms/{hidden}/account_data/org.example", {})
    assert "account_data" not in extended(connection, last=0, account_data=None)
    found = extended(connection, account_data=None)["account_data"]["rooms"]
    assert types_of(found[hidden]) == {"m.tag", "org.example"}
    assert shown not in found


def test_account_data_that_is_enabled_later_comes_whole(alice: Person) -> None:
    room_id = alice.create_room()
    alice.put(f"/user/{alice.user_id}/rooms/{room_id}/tags/m.favourite", {})
    connection = Connection(alice)
    connection.rooms()
    found = extended(connection, account_data=None)["account_data"]
    assert types_of(found["global"]) == {"m.push_rules"}
    assert types_of(found["rooms"][room_id]) == {"m.tag"}


# Receipts.


def test_receipts_of_what_is_sent_and_ones_own(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    carol.join(room_id)
    old = alice.send(room_id, "old")
    bob.post(room_path(room_id, "receipt", "m.read", old))
    alice.post(room_path(room_id, "receipt", "m.read.private", old))
    new = alice.send(room_id, "new")
    carol.post(room_path(room_id, "receipt", "m.read", new))
    connection = Connection(alice)
    wanted: Json = {"lists": {"all": every_room(limit=1)}, "extensions": {"receipts": {"enabled": True}}}
    event = connection.sync(**wanted)["extensions"]["receipts"]["rooms"][room_id]
    assert event["type"] == "m.receipt"
    assert event["content"][new]["m.read"].keys() == {carol.user_id}
    assert event["content"][old].keys() == {"m.read.private"}
    bob.post(room_path(room_id, "receipt", "m.read", new))
    answer = connection.sync(**wanted)
    assert answer["extensions"]["receipts"]["rooms"][room_id]["content"][new]["m.read"].keys() == {
        bob.user_id
    }
    assert answer["rooms"] == {}
    assert "receipts" not in connection.sync(**wanted)["extensions"]


def test_nobody_sees_the_private_receipts_of_others(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    event_id = alice.send(room_id, "read me")
    connection = Connection(alice)
    extended(connection, receipts=None)
    bob.post(room_path(room_id, "receipt", "m.read.private", event_id))
    assert "receipts" not in extended(connection, receipts=None)


def test_extensions_are_for_the_lists_and_rooms_that_are_named(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    event_id = alice.send(room_id, "read me")
    bob.post(room_path(room_id, "receipt", "m.read", event_id))
    subscription = {room_id: {"timeline_limit": 1, "required_state": []}}

    def receipts(**config: Any) -> bool:
        answer = Connection(alice).sync(
            lists={"all": every_room()},
            room_subscriptions=subscription,
            extensions={"receipts": {"enabled": True, **config}},
        )
        return "receipts" in answer["extensions"]

    assert receipts()
    assert receipts(lists=["*"], rooms=[])
    assert receipts(lists=["all"], rooms=[])
    assert receipts(lists=[], rooms=["*"])
    assert receipts(lists=[], rooms=[room_id])
    assert not receipts(lists=["other"], rooms=[])
    assert not receipts(lists=[], rooms=["!other:hamrasan.test"])


# Typing.


def test_typing_is_told_when_it_changes(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    connection = Connection(alice)
    assert "typing" not in extended(connection, typing=None)
    typing = room_path(room_id, "typing", bob.user_id)
    bob.put(typing, {"typing": True})
    event = extended(connection, typing=None)["typing"]["rooms"][room_id]
    assert event == {"type": "m.typing", "content": {"user_ids": [bob.user_id]}}
    assert "typing" not in extended(connection, typing=None)
    fresh = extended(Connection(alice, "fresh"), typing=None)["typing"]["rooms"][room_id]
    assert fresh["content"]["user_ids"] == [bob.user_id]
    alice.create_room()
    bob.put(typing, {"typing": False})
    event = extended(connection, last=0, typing=None)["typing"]["rooms"][room_id]
    assert event["content"]["user_ids"] == [], "the client believed that somebody types"


def test_the_proposals_form_has_the_same_extensions(alice: Person) -> None:
    names = ("to_device", "e2ee", "account_data", "receipts", "typing")
    answer = StableConnection(alice).sync(extensions={name: {"enabled": True} for name in names})
    assert answer["extensions"].keys() == {"to_device", "e2ee", "account_data"}
