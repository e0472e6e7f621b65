from __future__ import annotations

from typing import Any

import pytest

from tests.reading import leave, room_path
from tests.running import Person, Running, refused


def typing_path(room_id: str, person: Person) -> str:
    return room_path(room_id, "typing", person.user_id)


def typists(room: dict[str, Any]) -> list[str] | None:
    """Return who types according to a room's part of a sync, None if it says nothing."""
    events = room.get("ephemeral", {}).get("events", [])
    lists = [event["content"]["user_ids"] for event in events if event["type"] == "m.typing"]
    assert len(lists) <= 1
    return lists[0] if lists else None


def room_of_two(server: Running) -> tuple[Person, Person, str]:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    return alice, bob, room_id


def now_typing(person: Person, room_id: str) -> list[str]:
    """Return who types, as a new session is told."""
    return typists(person.sync()["rooms"]["join"][room_id]) or []


def test_typing_begins_and_ends(server: Running) -> None:
    alice, bob, room_id = room_of_two(server)
    since = alice.sync()["next_batch"]
    assert bob.put(typing_path(room_id, bob), {"typing": True, "timeout": 30_000}) == {}
    answer = alice.sync(since, timeout=20_000)
    assert typists(answer["rooms"]["join"][room_id]) == [bob.user_id]
    assert bob.put(typing_path(room_id, bob), {"typing": False}) == {}
    answer = alice.sync(answer["next_batch"], timeout=20_000)
    assert typists(answer["rooms"]["join"][room_id]) == []


def test_typing_is_shown_to_who_comes_later(server: Running) -> None:
    alice, bob, room_id = room_of_two(server)
    bob.put(typing_path(room_id, bob), {"typing": True})
    assert now_typing(alice, room_id) == [bob.user_id]


def test_typing_ends_by_itself(server: Running) -> None:
    alice, bob, room_id = room_of_two(server)
    since = alice.sync()["next_batch"]
    bob.put(typing_path(room_id, bob), {"typing": True, "timeout": 1})
    section, since = alice.next_of_room(since, room_id)
    if typists(section):
        section, since = alice.next_of_room(since, room_id)
    assert typists(section) == []


@pytest.mark.parametrize("how", ["leave", "kick"])
def test_typing_ends_with_the_membership(server: Running, how: str) -> None:
    alice, bob, room_id = room_of_two(server)
    bob.put(typing_path(room_id, bob), {"typing": True, "timeout": 60_000})
    alice.put(typing_path(room_id, alice), {"typing": True, "timeout": 60_000})
    assert now_typing(alice, room_id) == [bob.user_id, alice.user_id]
    if how == "leave":
        leave(bob, room_id)
    else:
        alice.post(room_path(room_id, "kick"), {"user_id": bob.user_id})
    assert now_typing(alice, room_id) == [alice.user_id]


def test_typing_that_is_refused_changes_nothing(server: Running) -> None:
    alice, bob, room_id = room_of_two(server)
    eve = server.register()
    typing = {"typing": True, "timeout": 30_000}
    refused(alice.request("PUT", typing_path(room_id, bob), typing), 403, "M_FORBIDDEN")
    refused(eve.request("PUT", typing_path(room_id, eve), typing), 403, "M_FORBIDDEN")
    refused(eve.request("PUT", typing_path("!unknown:x", eve), typing), 403, "M_FORBIDDEN")
    for body, errcode in (
        ({}, "M_MISSING_PARAM"),
        ({"typing": "yes"}, "M_BAD_JSON"),
        ({"typing": True, "timeout": -1}, "M_INVALID_PARAM"),
        ({"typing": True, "timeout": 1.5}, "M_BAD_JSON"),
    ):
        refused(bob.request("PUT", typing_path(room_id, bob), body), 400, errcode)
    assert now_typing(alice, room_id) == []
