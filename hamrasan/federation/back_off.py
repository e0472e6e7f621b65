"""Which servers cannot be reached, and when to try them again; known also after a restart.

The pause grows with the time for which a server has been failing. Who wants to send something that can wait asks
`retry_ts`; a request that a person waits for is made unless the server failed seconds ago (`failed_just_now`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.tasks import ignore_failure
from hamrasan.storage.ports.federation import (
    DeleteFailingDestination,
    FederationReader,
    PutFailingDestination,
)
from hamrasan.storage.ports.journal import Batch, Journal, Write

JUST_NOW_MS = 10_000
"""For whoever waits: a server that failed so short a time ago fails again, and each try costs seconds."""
SHORTEST_PAUSE_MS = 2_000
"""A server that is being restarted is back after it."""
LONGEST_PAUSE_MS = 3_600_000
"""A server that was away for days is told of news within this; and a thousand that never come back cost one try in four
seconds.
"""
SPREAD = 0.2
"""Part of a pause that is left to chance: those who lost a server at the same moment should not come back at one."""
ALIVE_PAUSE_MS = 5_000
"""Who asks us something is tried again at once, but not more often than this: perhaps only one direction works."""
MAX_FAILING = 20_000
"""Servers of which this is known; beyond it the first are forgotten, and tried again. About 6 MB."""

_log = get_logger(__name__)

OnAlive = Callable[[str], None]
"""Called with the name of a server that may be tried again now."""


class BackOff:
    """Keeps which servers fail."""

    def __init__(self, journal: Journal, reader: FederationReader, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._failing = {row.server: row for row in reader.failing_destinations()}
        self._listeners: list[OnAlive] = []

    def on_alive(self, listener: OnAlive) -> None:
        """Call `listener` whenever a server that failed answers or asks again; it must not raise."""
        self._listeners.append(listener)

    def retry_ts(self, server: str) -> int:
        """Return when to try a server again, in milliseconds since 1970; 0 if it does not fail."""
        row = self._failing.get(server)
        if row is None or row.failed_ts > self._clock.now_ms():  # the clock was set back: nothing is known
            return 0
        return row.retry_ts

    def failing_since_ts(self, server: str) -> int | None:
        """Return since when a server fails; None if it does not."""
        row = self._failing.get(server)
        return None if row is None else row.failing_since_ts

    def failed_just_now(self, server: str) -> bool:
        """Return whether it makes no sense to try a server even for somebody who waits."""
        row, now = self._failing.get(server), self._clock.now_ms()
        return row is not None and 0 <= now - row.failed_ts < JUST_NOW_MS and now < row.retry_ts

    def note_failure(self, server: str, reason: str) -> None:
        """Take down that a server could not be reached."""
        now, row = self._clock.now_ms(), self._failing.get(server)
        if row is None:
            _log.info("a server cannot be reached", server=server, reason=reason)
            while len(self._failing) >= MAX_FAILING:
                self._forget(next(iter(self._failing)))
        since = now if row is None else min(row.failing_since_ts, now)
        pause = min(max(now - since, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS)
        retry = now + int(pause * random.uniform(1.0 - SPREAD, 1.0 + SPREAD))
        row = self._failing[server] = PutFailingDestination(server, since, now, retry)
        self._write(row)

    def note_success(self, server: str) -> None:
        """Take down that a server has answered."""
        row = self._failing.get(server)
        if row is not None:
            _log.info(
                "a server is reached again",
                server=server,
                away_ms=self._clock.now_ms() - row.failing_since_ts,
            )
            self._forget(server)
            self._tell(server)

    def note_alive(self, server: str) -> None:
        """Take down that a server has asked for something: so it runs, and may be tried again."""
        row = self._failing.get(server)
        if row is not None and not 0 <= self._clock.now_ms() - row.failed_ts < ALIVE_PAUSE_MS:
            self._failing[server] = row._replace(retry_ts=0)
            self._tell(server)

    def _forget(self, server: str) -> None:
        del self._failing[server]
        self._write(DeleteFailingDestination(server))

    def _tell(self, server: str) -> None:
        for listener in self._listeners:
            listener(server)

    def _write(self, row: Write) -> None:
        """Write without waiting: if that fails, a server is tried once too often after a restart."""
        try:
            written: asyncio.Future[None] = self._journal.submit(Batch([row]))
        except MatrixError:
            return
        written.add_done_callback(ignore_failure)
