"""Long work on the event loop, in slices: others have their turn in between."""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary

from hamrasan.runtime.clock import Clock

SLICE_S = 0.002
"""How long one piece of work may hold the loop: what a person cannot notice, times the few that wait behind it."""


class Slices:
    """Measures how long a piece of work has held the loop, and lets go of it in time."""

    __slots__ = ("_clock", "_until")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = clock.monotonic() + SLICE_S

    async def pause(self) -> None:
        """Let others run if the slice is used up. To be called where nothing is half done."""
        if self._clock.monotonic() >= self._until:
            await give_way()
            self._until = self._clock.monotonic() + SLICE_S


async def give_way() -> None:
    """Let others run, and go on when this piece of long work has its turn.

    In each turn of the loop only one of those who gave way goes on: however many there are, a message that comes
    meanwhile waits for one slice, not for one of each.
    """
    loop = asyncio.get_running_loop()
    queue = _queues.get(loop)
    if queue is None:
        queue = _queues[loop] = _Queue(loop)
    await queue.join()


class _Queue:
    """Long work that waits for its turn."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()

    def join(self) -> asyncio.Future[None]:
        """Return what ends when it is the caller's turn."""
        turn = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._next)
        self._waiting.append(turn)
        return turn

    def _next(self) -> None:
        turn = self._waiting.popleft()
        if self._waiting:
            self._loop.call_soon(self._next)
        if not turn.done():  # else it was cancelled
            turn.set_result(None)


_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()
