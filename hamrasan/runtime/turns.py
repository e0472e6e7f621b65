"""Turns at work that takes long: few at a time for each of those who ask, so that nobody holds up the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hamrasan.protocol.errors import limit_exceeded

RETRY_MS = 1_000
"""What somebody is told to wait for whom too many of their own are waiting."""


class _Queue:
    __slots__ = ("asking", "slots")

    def __init__(self, at_once: int) -> None:
        self.slots = asyncio.Semaphore(at_once)
        self.asking = 0


class Turns:
    """Lets at most `at_once` pieces of work run for one name, and `waiting` more wait for their turn."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._at_once = at_once
        self._most = at_once + waiting
        self._queues: dict[str, _Queue] = {}

    def __len__(self) -> int:
        """Return for how many names something runs or waits."""
        return len(self._queues)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Run the block when it is its turn; raise `M_LIMIT_EXCEEDED` if too much of `name` is waiting already."""
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = _Queue(self._at_once)
        if queue.asking >= self._most:
            raise limit_exceeded(RETRY_MS)
        queue.asking += 1
        try:
            async with queue.slots:
                yield
        finally:
            queue.asking -= 1
            if not queue.asking:
                del self._queues[name]
