"""Filters in `/sync` (client-server API, "Filtering")."""

from __future__ import annotations

from typing import Any

from tests.reading import bodies, set_state, with_filter
from tests.running import Person, Running, refused


def timeline(person: Person, room_id: str, since: str | None = None, **wanted: Any) -> list[Any]:
    """Return a room's timeline with a filter for it, empty where the room is not told of."""
    answer = person.sync(since, filter=with_filter(room={"timeline": wanted}))
    part = answer.get("rooms", {}).get("join", {}).get(room_id)
    return [] if part is None else part["timeline"]["events"]


def couple(server: Running) -> tuple[Person, Person, str]:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    return alice, bob, room_id


def test_types_are_chosen_and_left_out_with_wildcards(server: Running) -> None:
    alice, bob, room_id = couple(server)
    since = bob.sync()["next_batch"]
    alice.send(room_id, "said")
    alice.send(room_id, "sticky", "m.sticker")
    set_state(alice, room_id, "m.room.topic", {"topic": "x"})

    def types(**wanted: Any) -> list[str]:
        return [event["type"] for event in timeline(bob, room_id, since, **wanted)]

    assert types(types=["m.room.*"]) == ["m.room.message", "m.room.topic"]
    assert types(types=["m.room.*"], not_types=["*.topic"]) == ["m.room.message"]
    assert types(not_types=["m.room.message"]) == ["m.sticker", "m.room.topic"]
    assert types(types=[]) == []
    assert types(types=["*"], not_types=["*"]) == []
    assert len(types()) == 3


def test_senders_are_chosen_and_left_out(server: Running) -> None:
    alice, bob, room_id = couple(server)
    since = bob.sync()["next_batch"]
    alice.send(room_id, "of alice")
    bob.send(room_id, "of bob")
    assert bodies(timeline(bob, room_id, since, senders=[alice.user_id])) == ["of alice"]
    assert bodies(timeline(bob, room_id, since, not_senders=[alice.user_id])) == ["of bob"]
    both: Any = {"senders": [alice.user_id], "not_senders": [alice.user_id]}
    assert timeline(bob, room_id, since, **both) == []


def test_rooms_are_chosen_and_left_out_at_both_levels(server: Running) -> None:
    alice, bob, room_id = couple(server)
    other = alice.create_room(invite=[bob.user_id])
    second = alice.create_room(preset="public_chat")
    bob.join(second)

    def told(**room: Any) -> dict[str, set[str]]:
        answer = bob.sync(filter=with_filter(room=room))
        return {name: set(part) for name, part in answer.get("rooms", {}).items()}

    assert told() == {"join": {room_id, second}, "invite": {other}}
    assert told(rooms=[room_id]) == {"join": {room_id}}
    assert told(rooms=[room_id, second], not_rooms=[second]) == {"join": {room_id}}
    assert told(not_rooms=[other]) == {"join": {room_id, second}}
    assert told(rooms=[]) == {}
    joined = bob.sync(filter=with_filter(room={"timeline": {"not_rooms": [second]}}))["rooms"]["join"]
    assert joined[second]["timeline"]["events"] == []
    assert joined[second]["state"]["events"]
    assert joined[room_id]["timeline"]["events"]


def test_events_with_and_without_url(server: Running) -> None:
    alice, bob, room_id = couple(server)
    since = bob.sync()["next_batch"]
    alice.send(room_id, "plain")
    alice.send(room_id, "picture", url="mxc://hamrasan.test/abc")
    alice.send(room_id, "not a text", url=["mxc://hamrasan.test/abc"])
    assert bodies(timeline(bob, room_id, since, contains_url=True)) == ["picture"]
    assert bodies(timeline(bob, room_id, since, contains_url=False)) == ["plain", "not a text"]


def test_a_filtered_timeline_reaches_back_until_it_is_full(server: Running) -> None:
    alice, bob, room_id = couple(server)
    for number in range(6):
        alice.send(room_id, f"m{number}")
        for _ in range(5):
            bob.send(room_id, "noise")
    assert bodies(timeline(alice, room_id, senders=[alice.user_id], types=["m.room.message"], limit=3)) == [
        "m3",
        "m4",
        "m5",
    ]


def test_state_that_the_timeline_filter_leaves_out_is_in_the_state(server: Running) -> None:
    alice, bob, room_id = couple(server)
    wanted = with_filter(room={"timeline": {"types": ["m.room.message"]}})
    everything = bob.sync(filter=wanted)
    state = {event["type"] for event in everything["rooms"]["join"][room_id]["state"]["events"]}
    assert {"m.room.create", "m.room.power_levels", "m.room.member"} <= state
    since = everything["next_batch"]
    set_state(alice, room_id, "m.room.topic", {"topic": "first"})
    set_state(alice, room_id, "m.room.topic", {"topic": "second"})
    alice.send(room_id, "said")
    part = bob.sync(since, filter=wanted)["rooms"]["join"][room_id]
    assert bodies(part["timeline"]["events"]) == ["said"]
    assert [event["content"] for event in part["state"]["events"]] == [{"topic": "second"}]
    set_state(alice, room_id, "m.room.topic", {"topic": "third"})
    after = bob.sync(since, filter=wanted, use_state_after="true")["rooms"]["join"][room_id]
    assert [event["content"] for event in after["state_after"]["events"]] == [{"topic": "third"}]


def test_the_state_has_a_filter_of_its_own(server: Running) -> None:
    alice, bob, room_id = couple(server)
    wanted = with_filter(room={"timeline": {"limit": 1}, "state": {"types": ["m.room.create"]}})
    part = bob.sync(filter=wanted)["rooms"]["join"][room_id]
    assert [event["type"] for event in part["state"]["events"]] == ["m.room.create"]
    nothing = with_filter(room={"timeline": {"limit": 1}, "state": {"types": []}})
    part = bob.sync(filter=nothing)["rooms"]["join"][room_id]
    assert part["state"]["events"] == []
    assert part["summary"]["m.joined_member_count"] == 2
    alice.send(room_id, "said")


def test_only_the_chosen_fields_of_events_are_given(server: Running) -> None:
    alice, bob, room_id = couple(server)
    since = bob.sync()["next_batch"]
    alice.send(room_id, "said", **{"a.b": "dotted"})
    fields = ["type", "content.body", "content.a\\.b", "event_id", "sender", "origin_server_ts", "not.there"]
    answer = bob.sync(since, filter=with_filter(event_fields=fields))
    (event,) = answer["rooms"]["join"][room_id]["timeline"]["events"]
    assert event["content"] == {"body": "said", "a.b": "dotted"}
    assert event.keys() == {"type", "content", "event_id", "sender", "origin_server_ts"}


def test_events_can_be_had_in_the_form_of_federation(server: Running) -> None:
    alice, bob, room_id = couple(server)
    since = bob.sync()["next_batch"]
    sent = alice.send(room_id, "said")
    answer = bob.sync(since, filter=with_filter(event_format="federation"))
    (event,) = answer["rooms"]["join"][room_id]["timeline"]["events"]
    assert event["event_id"] == sent
    assert event["content"]["body"] == "said"
    assert {"auth_events", "prev_events", "hashes", "depth", "room_id"} <= event.keys()


def test_a_stored_filter_works_like_an_inline_one(server: Running) -> None:
    alice, bob, room_id = couple(server)
    since = bob.sync()["next_batch"]
    alice.send(room_id, "one")
    alice.send(room_id, "two")
    stored = bob.post(f"/user/{bob.user_id}/filter", {"room": {"timeline": {"limit": 1}}})["filter_id"]
    part = bob.sync(since, filter=stored)["rooms"]["join"][room_id]
    assert bodies(part["timeline"]["events"]) == ["two"]
    assert part["timeline"]["limited"] is True


def test_a_filter_that_is_none_is_refused(server: Running) -> None:
    bob = server.register("bob")
    for wrong in ("{", "{}x", '{"room":{"rooms":"!a"}}', '{"room":{"timeline":{"limit":-1}}}'):
        response = bob.request("GET", "/sync", filter=wrong)
        assert response.status_code == 400, wrong
        assert response.json()["errcode"] in ("M_INVALID_PARAM", "M_BAD_JSON", "M_NOT_JSON")
    unknown = bob.request("GET", "/sync", filter="nobody-has-this")
    assert unknown.status_code in (400, 404)
    other = server.register("carol")
    stored = other.post(f"/user/{other.user_id}/filter", {})["filter_id"]
    own = bob.post(f"/user/{bob.user_id}/filter", {"room": {"rooms": []}})["filter_id"]
    assert own != stored
    assert bob.request("GET", "/sync", filter=stored).status_code in (400, 404)
    refused(bob.request("GET", "/sync", filter='{"event_format":"xml"}'), 400, "M_BAD_JSON")


def test_a_limit_of_zero_is_taken_as_one(server: Running) -> None:
    """The specification has no zero; clients that send it want as little as there is."""
    alice, bob, room_id = couple(server)
    since = bob.sync()["next_batch"]
    alice.send(room_id, "one")
    alice.send(room_id, "two")
    assert bodies(timeline(bob, room_id, since, limit=0)) == ["two"]


def test_ephemeral_events_account_data_and_presence_have_filters(server: Running) -> None:
    alice, bob, room_id = couple(server)
    event_id = alice.send(room_id, "said")
    alice.post(f"/rooms/{room_id}/receipt/m.read/{event_id}")
    alice.put(f"/rooms/{room_id}/typing/{alice.user_id}", {"typing": True, "timeout": 30_000})
    for type in ("org.example.a", "org.example.b"):
        bob.put(f"/user/{bob.user_id}/account_data/{type}", {"type": type})
        bob.put(f"/user/{bob.user_id}/rooms/{room_id}/account_data/{type}", {"type": type})
    wanted = with_filter(
        presence={"types": []},
        account_data={"types": ["org.example.a"]},
        room={"ephemeral": {"not_types": ["m.typing"]}, "account_data": {"not_types": ["org.example.a"]}},
    )
    answer = bob.sync(filter=wanted)
    part = answer["rooms"]["join"][room_id]
    assert [event["type"] for event in part["ephemeral"]["events"]] == ["m.receipt"]
    assert [event["type"] for event in part["account_data"]["events"]] == ["org.example.b"]
    assert [event["type"] for event in answer["account_data"]["events"]] == ["org.example.a"]
    assert "presence" not in answer


def test_presence_can_be_filtered_by_sender(server: Running) -> None:
    alice, bob, _ = couple(server)
    alice.sync()
    bob.sync()
    answer = bob.sync(filter=with_filter(presence={"senders": [alice.user_id]}))
    assert {event["sender"] for event in answer["presence"]["events"]} == {alice.user_id}


def test_counts_are_right_whatever_the_filter_hides(server: Running) -> None:
    alice, bob, room_id = couple(server)
    wanted = with_filter(room={"timeline": {"types": ["m.room.topic"]}, "ephemeral": {"types": []}})
    since = bob.sync(filter=wanted)["next_batch"]
    event_id = alice.send(room_id, "said")
    answer = bob.sync(since, filter=wanted)
    part = answer["rooms"]["join"][room_id]
    assert part["timeline"]["events"] == []
    assert part["unread_notifications"]["notification_count"] == 1
    bob.post(f"/rooms/{room_id}/receipt/m.read/{event_id}")
    part = bob.sync(answer["next_batch"], filter=wanted)["rooms"]["join"][room_id]
    assert part["unread_notifications"]["notification_count"] == 0
    assert part["ephemeral"]["events"] == []
