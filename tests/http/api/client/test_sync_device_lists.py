"""`device_lists` in `/sync` (client-server API, "Tracking the device list for a user")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.reading import leave, room_path, set_state
from tests.rooms_over_http import act
from tests.running import Person, Running, answered, running
from tests.syncing import joined, waiting

ALGORITHM = {"algorithm": "m.megolm.v1.aes-sha2"}
ENCRYPTED = {"type": "m.room.encryption", "content": ALGORITHM}


def secret_room(person: Person, *others: Person, **options: Any) -> str:
    room_id = person.create_room(preset="public_chat", initial_state=[ENCRYPTED], **options)
    for other in others:
        other.join(room_id)
    return room_id


def lists(answer: Any) -> tuple[set[str], set[str]]:
    """Return whose devices changed, and who is no longer tracked."""
    part = answer.get("device_lists", {"changed": [], "left": []})
    assert len(part["changed"]) == len(set(part["changed"]))
    return set(part["changed"]), set(part["left"])


def rename_device(person: Person) -> None:
    assert person.put(f"/devices/{person.device_id}", {"display_name": "new"}) == {}


def names(*people: Person) -> set[str]:
    return {person.user_id for person in people}


def trio(server: Running) -> tuple[Person, Person, Person]:
    alice, bob, carol = (server.register(name) for name in ("alice", "bob", "carol"))
    return alice, bob, carol


def test_a_first_sync_has_no_device_lists(server: Running) -> None:
    alice, bob, _ = trio(server)
    secret_room(alice, bob)
    rename_device(alice)
    assert "device_lists" not in bob.sync()


def test_changes_are_told_to_who_shares_an_encrypted_room(server: Running) -> None:
    alice, bob, carol = trio(server)
    secret_room(alice, bob)
    carol.join(alice.create_room(preset="public_chat"))
    since = {person: person.sync()["next_batch"] for person in (alice, bob, carol)}
    rename_device(alice)
    assert lists(alice.sync(since[alice])) == (names(alice), set())
    answer = bob.sync(since[bob])
    assert lists(answer) == (names(alice), set())
    assert "device_lists" not in carol.sync(since[carol])
    assert "device_lists" not in bob.sync(answer["next_batch"])


@pytest.mark.parametrize("what", ["logout", "rename"])
def test_a_change_of_devices_wakes_those_it_concerns(server: Running, what: str) -> None:
    alice, bob, _ = trio(server)
    other = server.log_in(alice)
    secret_room(alice, bob)
    alice.sync()
    since = bob.sync()["next_batch"]
    with waiting(server) as clients:
        answer = clients.begin(bob, since)
        if what == "logout":
            other.post("/logout")
        else:
            rename_device(alice)
        assert lists(answer.result(20)) == (names(alice), set())


def test_a_device_without_keys_is_nothing_to_others(server: Running) -> None:
    alice, bob, _ = trio(server)
    secret_room(alice, bob)
    since = bob.sync()["next_batch"]
    server.log_in(alice)
    assert "device_lists" not in bob.sync(since)


def test_a_message_does_not_hide_a_change_of_devices(server: Running) -> None:
    alice, bob, _ = trio(server)
    room_id = secret_room(alice, bob)
    since = bob.sync()["next_batch"]
    rename_device(alice)
    alice.send(room_id, "cipher", "m.room.encrypted")
    answer = bob.sync(since)
    assert lists(answer) == (names(alice), set())
    assert joined(answer, room_id)["timeline"]["events"]


def test_who_joins_an_encrypted_room_is_told_of_all_in_it_and_they_of_who_joined(server: Running) -> None:
    alice, bob, carol = trio(server)
    room_id = secret_room(alice, bob)
    since = {person: person.sync()["next_batch"] for person in (alice, bob, carol)}
    carol.join(room_id)
    assert lists(carol.sync(since[carol])) == (names(alice, bob), set())
    assert lists(alice.sync(since[alice])) == (names(carol), set())
    assert lists(bob.sync(since[bob])) == (names(carol), set())


def test_joining_a_room_that_is_not_encrypted_tells_nobody_of_devices(server: Running) -> None:
    alice, bob, _ = trio(server)
    room_id = alice.create_room(preset="public_chat")
    since = {person: person.sync()["next_batch"] for person in (alice, bob)}
    bob.join(room_id)
    leave(bob, room_id)
    for person in (alice, bob):
        assert "device_lists" not in person.sync(since[person])


def test_a_room_that_becomes_encrypted_lets_all_in_it_ask_for_keys(server: Running) -> None:
    alice, bob, carol = trio(server)
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    carol.join(room_id)
    since = bob.sync()["next_batch"]
    set_state(alice, room_id, "m.room.encryption", ALGORITHM)
    answer = bob.sync(since)
    assert lists(answer) == (names(alice, carol), set())
    set_state(alice, room_id, "m.room.encryption", {**ALGORITHM, "rotation_period_msgs": 50})
    assert "device_lists" not in bob.sync(answer["next_batch"])


def test_a_new_name_in_the_room_is_no_change_of_devices(server: Running) -> None:
    alice, bob, _ = trio(server)
    secret_room(alice, bob)
    since = bob.sync()["next_batch"]
    alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": "آلیس"})
    assert "device_lists" not in bob.sync(since)


@pytest.mark.parametrize("how", ["leave", "kick", "ban"])
def test_those_who_part_are_no_longer_tracked(server: Running, how: str) -> None:
    alice, bob, carol = trio(server)
    room_id = secret_room(alice, bob, carol)
    since = {person: person.sync()["next_batch"] for person in (alice, bob, carol)}
    if how == "leave":
        leave(carol, room_id)
    else:
        answered(act(alice, room_id, how, carol))
    assert lists(bob.sync(since[bob])) == (set(), names(carol))
    assert lists(carol.sync(since[carol])) == (set(), names(alice, bob))
    after = carol.sync(since[carol])["next_batch"]
    rename_device(alice)
    assert "device_lists" not in carol.sync(after)


def test_those_who_still_share_another_encrypted_room_stay_tracked(server: Running) -> None:
    alice, bob, carol = trio(server)
    room_id = secret_room(alice, bob, carol)
    secret_room(alice, bob)
    carol.join(alice.create_room(preset="public_chat"))
    since = {person: person.sync()["next_batch"] for person in (alice, bob, carol)}
    leave(alice, room_id)
    assert lists(alice.sync(since[alice])) == (set(), names(carol))
    assert "device_lists" not in bob.sync(since[bob])
    assert lists(carol.sync(since[carol])) == (set(), names(alice))


def test_coming_and_going_between_two_syncs_is_nothing(server: Running) -> None:
    alice, bob, carol = trio(server)
    room_id = secret_room(alice, bob)
    since = bob.sync()["next_batch"]
    carol.join(room_id)
    leave(carol, room_id)
    assert "device_lists" not in bob.sync(since)


def test_parting_in_a_long_gap_is_told(server: Running) -> None:
    alice, bob, carol = trio(server)
    room_id = secret_room(alice, bob, carol)
    dave = server.register("dave")
    since = bob.sync()["next_batch"]
    leave(carol, room_id)
    dave.join(room_id)
    for number in range(80):
        alice.send(room_id, f"m{number}")
    assert lists(bob.sync(since)) == (names(dave), names(carol))


def test_both_left_an_encrypted_room(server: Running) -> None:
    alice, bob, carol = trio(server)
    room_id = secret_room(alice, bob, carol)
    since = bob.sync()["next_batch"]
    leave(carol, room_id)
    leave(bob, room_id)
    assert lists(bob.sync(since)) == (set(), names(alice, carol))


def test_the_room_filter_does_not_hide_device_lists(server: Running) -> None:
    alice, bob, _ = trio(server)
    room_id = secret_room(alice)
    since = alice.sync()["next_batch"]
    bob.join(room_id)
    answer = alice.sync(since, filter='{"room":{"rooms":[]}}')
    assert "rooms" not in answer
    assert lists(answer) == (names(bob), set())


def test_changes_before_a_restart_are_told_after_it(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        alice, bob = server.register("alice"), server.register("bob")
        secret_room(alice, bob)
        since, token = bob.sync()["next_batch"], bob.token
        rename_device(alice)
    with running(tmp_path) as server, server.anonymous() as http:
        http.headers["Authorization"] = f"Bearer {token}"
        first = answered(http.get("/_matrix/client/v3/sync", params={"since": since}))
        assert lists(first) == (names(alice), set())
        again = answered(http.get("/_matrix/client/v3/sync", params={"since": first["next_batch"]}))
        assert "device_lists" not in again


def test_inviting_somebody_into_an_encrypted_room_shares_no_devices_yet(server: Running) -> None:
    alice, bob, _ = trio(server)
    room_id = secret_room(alice)
    since = {person: person.sync()["next_batch"] for person in (alice, bob)}
    alice.invite(room_id, bob)
    rename_device(alice)
    assert "device_lists" not in bob.sync(since[bob])
    leave(bob, room_id)
    assert lists(alice.sync(since[alice])) == (names(alice), set())
    assert alice.get(room_path(room_id, "joined_members"))["joined"].keys() == names(alice)
