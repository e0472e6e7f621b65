"""Places for work of which only so much is done at once, and for which only so many may wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hamrasan.protocol.errors import limit_exceeded


class Places:
    """A number of places, and a queue of limited length before them."""

    def __init__(self, at_once: int, may_wait: int, retry_ms: int) -> None:
        """`retry_ms` is when somebody for whom there is no room in the queue may try again."""
        self._free = asyncio.Semaphore(at_once)
        self._may_wait = may_wait
        self._retry_ms = retry_ms
        self._waiting = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Take a place, when one is free. Raises `M_LIMIT_EXCEEDED` if too many wait."""
        if self._waiting >= self._may_wait:
            raise limit_exceeded(self._retry_ms)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
