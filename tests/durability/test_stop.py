"""A server that is asked to stop under load: it ends in time, and nothing that it answered is lost."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.durability.folders import sound
from tests.durability.load import Load, Sender
from tests.processes import server_process
from tests.running import Person, answered

SEED = 22
STOPS = 4
SENDERS = 5
WAITING = 6
MAX_ANSWERS = 80


def wait_for_news(person: Person, since: str) -> Any:
    """Wait in `/sync`, as every idle client does; return the answer, None if the connection was closed."""
    try:
        return answered(person.request("GET", "/sync", since=since, timeout=60_000))
    except httpx.TransportError:
        return None


@pytest.mark.timeout(120)
def test_a_server_that_stops_keeps_what_it_answered_and_lets_nobody_hang(tmp_path: Path) -> None:
    generator = random.Random(SEED)
    with server_process(tmp_path / "data") as server, ThreadPoolExecutor(WAITING) as threads:
        idle = [server.register("idle", checked=False) for _ in range(WAITING)]
        room_id = server.register("owner").create_room(preset="public_chat")
        senders = [
            Sender(server.register("sender", checked=False), [room_id], seed) for seed in range(SENDERS)
        ]
        for sender in senders:
            sender.person.join(room_id)
        for _ in range(STOPS):
            waiting = [threads.submit(wait_for_news, person, person.sync()["next_batch"]) for person in idle]
            Load(senders).run(generator.randint(1, MAX_ANSWERS), server.stop)
            for wait in waiting:
                wait.result(30)
            events = sound(server.data_dir)
            server.start()
            for sender in senders:
                for attempt in sender.unanswered:
                    answered(attempt.send())
        assert events > 0
        found = [
            event["event_id"]
            for event in senders[0].person.get(
                f"/rooms/{room_id}/messages", dir="b", limit=1_000, filter='{"types":["m.room.message"]}'
            )["chunk"]
        ]
        assert sorted(found) == sorted(
            attempt.event_id or "" for sender in senders for attempt in sender.attempts
        )
        assert server.complaints == []
