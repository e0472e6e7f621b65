"""Long work on the event loop, in slices: others have their turn in between."""

from __future__ import annotations

import asyncio

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
            await asyncio.sleep(0)
            self._until = self._clock.monotonic() + SLICE_S
