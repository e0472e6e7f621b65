"""The extension of sliding sync for subscriptions to threads (MSC4308)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.running import Person, Running
from tests.sliding import Connection, Json, StableConnection
from tests.syncing import WAIT_MS, stream_of, wait_for
from tests.threads import ALL, EXTENSION, RULES, enabled_rules, reply, subscribe, unsubscribe


@pytest.fixture(name="room_id")
def _room(alice: Person, bob: Person) -> str:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    return room_id


def told(connection: Connection | StableConnection, timeout: int = 0, **config: Any) -> Json | None:
    """Return the extension's part of an answer; None if there is none."""
    wanted = {EXTENSION: {"enabled": True, **config}}
    found: Json | None = connection.sync(timeout, extensions=wanted)["extensions"].get(EXTENSION)
    return found


def test_changes_come_once(alice: Person, bob: Person, room_id: str) -> None:
    by_hand, by_itself = alice.send(room_id, "one"), alice.send(room_id, "two")
    subscribe(bob, room_id, by_hand)
    subscribe(bob, room_id, by_itself, reply(alice, room_id, by_itself))
    connection = Connection(bob)
    first = told(connection)
    assert first is not None
    assert first.keys() == {"subscribed"}
    threads = first["subscribed"][room_id]
    assert {root: found["automatic"] for root, found in threads.items()} == {by_hand: False, by_itself: True}
    assert told(connection) is None
    unsubscribe(bob, room_id, by_itself)
    then = told(connection)
    assert then is not None
    assert then.keys() == {"unsubscribed"}
    assert then["unsubscribed"][room_id][by_itself]["bump_stamp"] > threads[by_itself]["bump_stamp"]
    assert told(connection) is None
    assert told(Connection(alice)) is None


def test_the_proposals_form_has_it_too(alice: Person, bob: Person, room_id: str) -> None:
    root = alice.send(room_id, "root")
    connection = StableConnection(bob)
    assert told(connection) is None
    subscribe(bob, room_id, root)
    found = told(connection)
    assert found is not None
    assert found["subscribed"][room_id].keys() == {root}


def test_who_does_not_ask_is_not_told(alice: Person, bob: Person, room_id: str) -> None:
    subscribe(bob, room_id, alice.send(room_id, "root"))
    for config in ({"enabled": False}, {}, None):
        assert Connection(bob).sync(extensions={EXTENSION: config})["extensions"] == {}


def test_a_waiting_client_is_woken(server: Running, alice: Person, bob: Person, room_id: str) -> None:
    root = alice.send(room_id, "root")
    connection = Connection(bob)
    told(connection)
    stream = stream_of(server, bob)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(told, connection, WAIT_MS)
        wait_for(server, lambda: bool(stream.waiters) or answer.done())
        assert not answer.done(), answer.result()
        subscribe(server.log_in(bob), room_id, root)
        found = answer.result()
    assert found is not None
    assert found["subscribed"][room_id].keys() == {root}


def test_what_is_too_much_for_an_answer_is_fetched_apart(alice: Person, bob: Person, room_id: str) -> None:
    roots = [alice.send(room_id, f"root {number}") for number in range(7)]
    connection = Connection(bob)
    subscribe(bob, room_id, roots[0])
    told(connection)
    since = connection.pos
    for root in roots[1:]:
        subscribe(bob, room_id, root)
    latest = told(connection, limit=2)
    assert latest is not None
    assert list(latest["subscribed"][room_id]) == [roots[6], roots[5]]
    rest: list[str] = []
    start = latest["prev_batch"]
    while start is not None:
        page = bob.get(ALL, dir="b", limit=2, to=since, **{"from": start})
        rest += page["subscribed"][room_id]
        start = page.get("end")
    assert rest == [roots[4], roots[3], roots[2], roots[1]]
    assert told(connection) is None


def test_a_lost_answer_is_given_again(alice: Person, bob: Person, room_id: str) -> None:
    connection = Connection(bob)
    told(connection)
    before = connection.pos
    root = alice.send(room_id, "root")
    subscribe(bob, room_id, root)
    first = told(connection)
    connection.pos = before
    assert told(connection) == first


def test_asking_is_what_enables_the_rules(alice: Person, bob: Person, room_id: str) -> None:
    told(Connection(bob))
    assert enabled_rules(bob) == {"unsubscribed_thread": True, "subscribed_thread": True}
    bob.put(RULES + "subscribed_thread/enabled", {"enabled": False})
    told(Connection(bob, "another"))
    assert enabled_rules(bob) == {"unsubscribed_thread": True, "subscribed_thread": False}


@pytest.mark.parametrize("limit", [0, 1, 10_000])
def test_limits_are_bounded(alice: Person, bob: Person, room_id: str, limit: int) -> None:
    subscribe(bob, room_id, alice.send(room_id, "root"))
    found = told(Connection(bob), limit=limit)
    assert found is not None
    assert "prev_batch" not in found
