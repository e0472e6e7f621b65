"""Who returns to a room of another server finds what happened there meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hamrasan.flows import fill_gap
from hamrasan.rooms.verify import verify_rooms
from tests.federation.country import Member, country
from tests.federation.talking import share_room, wait_until
from tests.running import Person


@pytest.fixture
def pair() -> Iterator[tuple[Member, Member]]:
    with country("a", "b") as (a, b):
        yield a, b


def texts(person: Person, room_id: str) -> list[str]:
    """Return the texts of a room's messages as somebody pages back, the oldest first."""
    chunk = person.get(f"/rooms/{room_id}/messages", dir="b", limit=100)["chunk"]
    return [event["content"]["body"] for event in reversed(chunk) if "body" in event["content"]]


def topic(person: Person, room_id: str) -> str:
    return str(person.get(f"/rooms/{room_id}/state/m.room.topic/")["topic"])


def go_away_and_return(a: Member, b: Member, count: int) -> tuple[Person, Person, str]:
    """Let somebody leave a room, others go on there, and the first come back."""
    ali, bahar = a.register("ali"), b.register("bahar")
    room_id = share_room(a.name, ali, bahar)
    bahar.send(room_id, "before")
    wait_until(lambda: "before" in texts(ali, room_id))
    bahar.post(f"/rooms/{room_id}/leave")
    wait_until(lambda: len(ali.get(f"/rooms/{room_id}/joined_members")["joined"]) == 1)
    for number in range(count):
        ali.send(room_id, f"meanwhile {number}")
    ali.put(f"/rooms/{room_id}/state/m.room.topic/", {"topic": "new"})
    bahar.post(f"/join/{room_id}", via=a.name)
    bahar.send(room_id, "after")
    wait_until(lambda: "after" in texts(ali, room_id))
    return ali, bahar, room_id


def check(member: Member) -> None:
    store = member.running.server.store
    found = member.run(verify_rooms(store.rooms, store.events, store.state, store.federated_rooms))
    assert found.problems == []


def test_what_happened_meanwhile_stands_before_the_return(pair: tuple[Member, Member]) -> None:
    ali, bahar, room_id = go_away_and_return(*pair, count=30)
    expected = ["before", *(f"meanwhile {number}" for number in range(30)), "after"]
    assert texts(ali, room_id) == expected
    assert texts(bahar, room_id) == expected
    assert topic(bahar, room_id) == "new"
    for member in pair:
        check(member)


def test_after_too_much_the_room_goes_on_from_the_return(
    pair: tuple[Member, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill_gap, "MAX_BRIDGED", 1)
    ali, bahar, room_id = go_away_and_return(*pair, count=130)
    assert "meanwhile 129" in texts(ali, room_id)
    assert texts(bahar, room_id)[-1] == "after"
    assert topic(bahar, room_id) == "new"
    for member in pair:
        check(member)
