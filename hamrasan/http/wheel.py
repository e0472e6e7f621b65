"""One coarse timer for all connections: setting a time is an assignment, and nothing is ever cancelled."""

from __future__ import annotations

from typing import Protocol

from hamrasan.http.limits import TICK_SECONDS

NEVER = float("inf")
UNFILED = 1 << 62
"""The `slot` of a thing that the wheel does not hold."""


class Timed(Protocol):
    """Something with a time at which it wants to be called.

    `deadline` is the time, `slot` the tick under which the wheel will look at it next; only the wheel writes both.
    """

    deadline: float
    slot: int

    def due(self, now: float) -> None:
        """The deadline has passed; it was reset to `NEVER` before the call."""


class Wheel:
    """Ticks with the things to look at when they come.

    A thing whose deadline was moved to a later time is found early, and filed again; one that was moved to an earlier
    time is filed twice, and its later entry is stale. So a busy connection costs one filing for each time-out, not
    one for each request.
    """

    __slots__ = ("_batch", "_next", "_ticks")

    def __init__(self, now: float) -> None:
        self._ticks: dict[int, list[Timed]] = {}
        self._next = int(now / TICK_SECONDS)
        """The first tick that was not begun; `_batch` is what is left of the one before it."""
        self._batch: list[Timed] = []

    def set(self, timed: Timed, deadline: float) -> None:
        """Let `timed.due` be called at `deadline`, or up to a tick later; replaces its earlier deadline."""
        timed.deadline = deadline
        if deadline != NEVER:
            slot = max(int(deadline / TICK_SECONDS) + 1, self._next)
            if slot < timed.slot:
                timed.slot = slot
                self._ticks.setdefault(slot, []).append(timed)

    def turn(self, now: float, most: int) -> bool:
        """Look at what was filed up to `now`, at most `most` things; return whether there is more."""
        tick = int(now / TICK_SECONDS)
        while most > 0:
            if not self._batch:
                if self._next > tick:
                    return False
                self._batch = self._ticks.pop(self._next, [])
                self._next += 1
                continue
            timed = self._batch.pop()
            if timed.slot != self._next - 1:
                continue
            most -= 1
            timed.slot = UNFILED
            if timed.deadline > now:
                self.set(timed, timed.deadline)
            else:
                timed.deadline = NEVER
                timed.due(now)
        return bool(self._batch) or self._next <= tick
