"""Words for tests of `/sync` over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from hamrasan.sync.notifier import UserStream
from tests.http.edges import until
from tests.running import Person, Running

WAIT_MS = 25_000
"""Longer than any test takes: an answer that comes before is one that was woken."""


def stream_of(server: Running, person: Person) -> UserStream:
    """Return what the server keeps in memory of a person who has synced."""
    stream = server.server.services.notifier.known(person.user_id)
    assert stream is not None
    return stream


def wait_for(server: Running, condition: Callable[[], object]) -> None:
    """Wait until a condition of the server holds."""
    server.run(until(condition))


class Waiting:
    """People's devices that wait for news, each in a thread of its own."""

    def __init__(self, server: Running, pool: ThreadPoolExecutor) -> None:
        self._server = server
        self._pool = pool
        self._waiting = 0

    def begin(self, person: Person, since: str, **query: Any) -> Future[Any]:
        """Ask for news, and return when the server has parked the request."""
        stream = stream_of(self._server, person)
        before = len(stream.waiters)
        query.setdefault("timeout", WAIT_MS)
        answer = self._pool.submit(person.sync, since, **query)
        wait_for(self._server, lambda: len(stream.waiters) > before or answer.done())
        assert not answer.done(), answer.result()
        return answer


@contextmanager
def waiting(server: Running) -> Iterator[Waiting]:
    with ThreadPoolExecutor(64) as pool:
        yield Waiting(server, pool)


def joined(answer: Any, room_id: str) -> Any:
    """Return a joined room's part of an answer, None if it is not told of."""
    return answer.get("rooms", {}).get("join", {}).get(room_id)


def counts(answer: Any, room_id: str) -> tuple[int, int]:
    """Return (notifications, highlights) of a room."""
    part = joined(answer, room_id)["unread_notifications"]
    return part["notification_count"], part["highlight_count"]
