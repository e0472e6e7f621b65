"""A server that nobody here wrote, or this one, is away for a thousand events; and what goes between them besides."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.federation.country import Member, land
from tests.federation.synapse import Synapse, needs_synapse, synapse
from tests.federation.talking import messages, share_room, texts, wait_for, wait_until
from tests.running import Person

pytestmark = [needs_synapse, pytest.mark.timeout(300)]
EVENTS = 1_000
_numbers = itertools.count(1)


@pytest.fixture
def ours() -> Iterator[Member]:
    with land() as empty:
        yield empty.found_by_address()


@pytest.fixture
def theirs(ours: Member) -> Iterator[Synapse]:
    with synapse(ours.land) as theirs:
        yield theirs


def again(url: str, person: Person) -> Person:
    """Return somebody of a server that was started again."""
    person.http.close()
    person.http = type(person)(url, person.user_id, person.device_id, person.token).http
    return person


def test_theirs_is_away_for_a_thousand_events(ours: Member, theirs: Synapse) -> None:
    alice, bob = ours.register("alice"), theirs.register("bob")
    room_id = share_room(ours.name, alice, bob)
    sent = [f"text {next(_numbers)}" for _ in range(EVENTS + 2)]
    alice.send(room_id, sent[0])
    texts(bob, room_id, 1)
    theirs.stop()
    for text in sent[1:-1]:
        alice.send(room_id, text)
    wait_until(lambda: ours.services.sender.behind)
    theirs.start()
    again(theirs.url, bob).send(room_id, "I am back")  # which tells ours that it may try again
    alice.send(room_id, sent[-1])
    wait_until(lambda: texts_read_back(bob, room_id, alice, EVENTS + 2) == sent)


def texts_read_back(reader: Person, room_id: str, sender: Person, count: int) -> list[str]:
    """Return somebody's texts as another one reads them who scrolls back; of more than a hundred events at once Synapse
    takes only the last, and asks for the others when they are read.
    """
    found: list[str] = []
    token: str | None = None
    while len(found) < count:
        query = {} if token is None else {"from": token}
        page = reader.get(f"/rooms/{room_id}/messages", dir="b", limit=200, **query)
        found += [
            e["content"]["body"]
            for e in page["chunk"]
            if e["sender"] == sender.user_id and "body" in e["content"]
        ]
        token = page.get("end")
        if token is None:
            break
    return found[::-1]


def test_ours_is_away_for_a_thousand_events(ours: Member, theirs: Synapse) -> None:
    alice, bob = ours.register("alice"), theirs.register("bob")
    room_id = share_room(ours.name, alice, bob)
    sent = [f"text {next(_numbers)}" for _ in range(EVENTS + 2)]
    bob.send(room_id, sent[0])
    texts(alice, room_id, 1)
    ours.stop()
    for text in sent[1:-1]:
        bob.send(room_id, text)
    ours.start()
    again(ours.url, alice).send(room_id, "I am back")
    bob.send(room_id, sent[-1])
    found = messages(alice, room_id, EVENTS + 3)
    alice.http.close()
    assert [e["content"]["body"] for e in found if e["sender"] == bob.user_id] == sent


def numbers_to(person: Person, count: int) -> list[int]:
    """Wait until somebody's device has so many messages; return the numbers in them."""
    got: list[int] = []

    def enough(answer: Any) -> bool:
        events = answer.get("to_device", {}).get("events", ())
        got.extend(event["content"]["number"] for event in events)
        return len(got) >= count

    wait_for(person, enough)
    return got


def test_messages_to_devices_and_presence_go_both_ways(ours: Member, theirs: Synapse) -> None:
    alice, bob = ours.register("alice"), theirs.register("bob")
    share_room(ours.name, alice, bob)
    for one, other in ((alice, bob), (bob, alice)):
        for number in range(30):
            contents = {other.user_id: {other.device_id: {"number": number}}}
            one.put(f"/sendToDevice/org.example.test/t{next(_numbers)}", {"messages": contents})
        assert numbers_to(other, 30) == list(range(30))
    for one, other in ((alice, bob), (bob, alice)):
        status = f"چای {next(_numbers)}"
        one.put(f"/presence/{one.user_id}/status", {"presence": "online", "status_msg": status})

        def shown(answer: Any, sender: str = one.user_id, status: str = status) -> bool:
            events = answer.get("presence", {}).get("events", ())
            return any(
                event["sender"] == sender and event["content"].get("status_msg") == status for event in events
            )

        wait_for(other, shown)
