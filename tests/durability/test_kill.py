"""A server that is killed under load: what it has answered is there, once, in order; what it has not is there once or
not at all, and can be sent again.
"""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.durability.folders import sound
from tests.durability.load import Attempt, Load, Sender
from tests.processes import ServerProcess, server_process
from tests.running import Person, answered

SEED = 1394
KILLS = 20
SENDERS = 6
ROOMS = 4
MAX_ANSWERS = 160
"""Answers between two kills, at most."""
REPEATED = 12
"""Old transactions that are repeated after each restart."""
_WHOLE_TIMELINE = orjson.dumps({"room": {"timeline": {"limit": 1_000, "types": ["m.room.message"]}}}).decode()


class Listener:
    """Somebody in all the rooms who has synced from the beginning on, across all deaths of the server."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._since: str | None = None
        self.heard: dict[str, list[Any]] = defaultdict(list)

    def listen(self) -> None:
        """Take in everything that is new."""
        answer = self._person.sync(self._since, filter=_WHOLE_TIMELINE)
        self._since = answer["next_batch"]
        for room_id, room in answer.get("rooms", {}).get("join", {}).items():
            assert not room["timeline"]["limited"]
            self.heard[room_id] += room["timeline"]["events"]


def start_world(server: ServerProcess, generator: random.Random) -> tuple[list[Sender], Listener]:
    """Return people who share some rooms, and one who listens to all of them."""
    listener = server.register("listener")
    rooms = [listener.create_room(preset="public_chat") for _ in range(ROOMS)]
    senders = []
    for _ in range(SENDERS):
        person = server.register("sender", checked=False)
        for room_id in rooms:
            person.join(room_id)
        senders.append(Sender(person, rooms, generator.getrandbits(32)))
    return senders, Listener(listener)


def check_heard(senders: list[Sender], listener: Listener) -> None:
    """Check that every answered attempt was heard once, in its sender's order, and nothing that nobody sent."""
    by_sender: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for room_id, events in listener.heard.items():
        for event in events:
            by_sender[room_id, event["sender"]].append((event["event_id"], event["content"]["body"]))
    for sender in senders:
        expected: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in sender.attempts:
            expected[attempt.room_id].append(attempt)
        for room_id, attempts in expected.items():
            heard = by_sender.pop((room_id, sender.person.user_id), [])
            if attempts[-1].event_id is None and len(heard) < len(attempts):
                attempts = attempts[:-1]  # not answered and not kept: the sender knows nothing else
            assert [body for _, body in heard] == [attempt.body for attempt in attempts]
            for (event_id, _), attempt in zip(heard, attempts, strict=True):
                assert attempt.event_id in (None, event_id)
    assert not by_sender


def send_again(senders: list[Sender], generator: random.Random) -> int:
    """Send again what was not answered, and some of what was; return how many had not been answered."""
    lost = [attempt for sender in senders for attempt in sender.unanswered]
    known = [attempt for sender in senders for attempt in sender.attempts if attempt.event_id is not None]
    for attempt in [*lost, *generator.sample(known, min(REPEATED, len(known))), *known[-1:]]:
        answered(attempt.send())
    return len(lost)


@pytest.mark.timeout(180)
def test_nothing_answered_is_lost_or_doubled_when_the_server_is_killed_again_and_again(
    tmp_path: Path,
) -> None:
    generator = random.Random(SEED)
    with server_process(tmp_path / "data") as server:
        senders, listener = start_world(server, generator)
        load = Load(senders)
        for _ in range(KILLS):
            load.run(generator.randint(0, MAX_ANSWERS), server.kill)
            sound(server.data_dir)
            server.start()
            listener.listen()
            check_heard(senders, listener)
            send_again(senders, generator)
            listener.listen()
            check_heard(senders, listener)
            assert not any(sender.unanswered for sender in senders)
        check_pages(senders[0].person, listener)
        server.stop()
        messages = sum(len(events) for events in listener.heard.values())
        assert messages == sum(len(sender.attempts) for sender in senders)
        assert sound(server.data_dir) > messages
        assert server.complaints == []


def check_pages(reader: Person, listener: Listener) -> None:
    """Check that paging through the rooms from the beginning shows what was heard."""
    for room_id, heard in listener.heard.items():
        events: list[Any] = []
        query = {"dir": "f", "limit": "500", "filter": '{"types":["m.room.message"]}'}
        while True:
            page = reader.get(f"/rooms/{room_id}/messages", **query)
            events += page["chunk"]
            if "end" not in page:
                break
            query["from"] = page["end"]
        assert [event["event_id"] for event in events] == [event["event_id"] for event in heard]
