"""Time, as a thing that is handed in: whoever needs to know what time it is takes a `Clock`."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time of day and measures spans of time."""

    def now_ms(self) -> int:
        """Return the milliseconds since the Unix epoch, as `origin_server_ts` carries them."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a scale that never goes back; only differences mean something."""
        ...


class SystemClock:
    """The clock of the machine."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Return the milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)  # asked some times for each request
