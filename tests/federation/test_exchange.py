"""Two servers that share a room tell each other what happens in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.federation.country import Member, country
from tests.federation.shared_rooms import share_room
from tests.running import Person


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Member, Member]]:
    with country("a", "b") as (a, b):
        yield a, b


def texts(person: Person, room_id: str, count: int) -> list[str]:
    """Wait until somebody has so many messages of a room; return the texts in their order."""
    found: list[str] = []
    since = None
    for _ in range(100):
        answer = person.sync(since, timeout=0 if since is None else 5_000)
        since = answer["next_batch"]
        section = answer.get("rooms", {}).get("join", {}).get(room_id, {})
        events = section.get("timeline", {}).get("events", ())
        found += [event["content"]["body"] for event in events if event["type"] == "m.room.message"]
        if len(found) >= count:
            return found
    raise AssertionError(f"only {len(found)} of {count} messages came: {found}")


def test_messages_go_both_ways(pair: tuple[Member, Member]) -> None:
    a, b = pair
    alice, bob = a.register("alice"), b.register("bob")
    room_id = share_room(a, alice, (b, bob))
    alice.send(room_id, "سلام")
    assert texts(bob, room_id, 1) == ["سلام"]
    bob.send(room_id, "hello")
    assert texts(alice, room_id, 2) == ["سلام", "hello"]
