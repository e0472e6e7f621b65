"""How much of one turn of the event loop requests may take, so that many who come at once hold up nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from hamrasan.http.limits import TURN_SECONDS


class Guest(Protocol):
    """A connection that has received something."""

    def go_on(self) -> None:
        """Take in what was received."""


class Turn:
    """The present turn of the loop: begins with the first request in it, and is over when its time is used up.

    The loop hands out everything that all sockets have received before it looks at anything else. Whoever comes when
    the turn is over waits in a queue that goes on in the next ones.
    """

    __slots__ = ("_began", "_loop", "_now", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> None:
        self._loop = loop
        self._now = now
        self._began: float | None = None
        self._waiting: dict[Guest, None] = {}

    def is_over(self) -> bool:
        """Return whether a request that comes now has to wait."""
        if self._began is None:
            self._began = self._now()
            self._loop.call_soon(self._next)
            return False
        return bool(self._waiting) or self._now() - self._began > TURN_SECONDS

    def wait(self, guest: Guest) -> None:
        """Let `guest` go on in one of the next turns."""
        self._waiting[guest] = None

    def _next(self) -> None:
        waiting = self._waiting
        if not waiting:
            self._began = None
            return
        self._began = began = self._now()
        self._loop.call_soon(self._next)
        while waiting:
            guest = next(iter(waiting))
            del waiting[guest]
            guest.go_on()
            if self._now() - began > TURN_SECONDS:
                return
