"""A server that was away gets what it missed, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.federation.country import Member, country
from tests.federation.talking import share_room, texts, wait_until
from tests.running import Person


@pytest.fixture
def pair() -> Iterator[tuple[Member, Member]]:
    with country("a", "b") as (a, b):
        yield a, b


def behind(member: Member, other: Member) -> Callable[[], object]:
    """Return what tells whether a server has noticed that it does not reach another one."""
    return lambda: member.services.sender.behind


def met_again(b: Member, bob: Person) -> Person:
    """Return somebody of a server that was started again."""
    return Person(b.url, bob.user_id, bob.device_id, bob.token)


@pytest.mark.parametrize("restarts", [False, True], ids=["runs_on", "is_restarted_too"])
def test_a_thousand_events_missed_come_in_order(pair: tuple[Member, Member], restarts: bool) -> None:
    a, b = pair
    alice, bob = a.register("alice"), b.register("bob")
    room_id = share_room(a.name, alice, bob)
    alice.send(room_id, "before")
    texts(bob, room_id, 1)
    b.stop()
    sent = [f"missed {number}" for number in range(1_000)]
    for text in sent:
        alice.send(room_id, text)
    wait_until(behind(a, b))
    if restarts:
        a.stop()
        a.start()
        alice = met_again(a, alice)
        wait_until(behind(a, b))
    b.start()
    a.forgive(b)
    alice.send(room_id, "after")
    bob = met_again(b, bob)
    assert texts(bob, room_id, 1_002) == ["before", *sent, "after"]
    wait_until(lambda: not a.services.sender.waiting)
    assert a.run(a.running.server.store.exchange.lags()) == []
    alice.http.close()
    bob.http.close()


def test_messages_to_devices_wait_for_their_server(pair: tuple[Member, Member]) -> None:
    a, b = pair
    alice, bob = a.register("alice"), b.register("bob")
    share_room(a.name, alice, bob)
    b.stop()
    for number in range(120):
        messages = {bob.user_id: {bob.device_id: {"number": number}}}
        alice.put(f"/sendToDevice/org.example.test/wait-{number}", {"messages": messages})
    a.stop()
    a.start()
    b.start()
    a.forgive(b)
    bob = met_again(b, bob)
    got: list[int] = []
    since = None
    while len(got) < 120:
        answer = bob.sync(since, timeout=3_000)
        since = answer["next_batch"]
        got += [event["content"]["number"] for event in answer.get("to_device", {}).get("events", ())]
    assert got == list(range(120))
    bob.http.close()
