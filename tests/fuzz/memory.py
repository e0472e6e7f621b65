"""How much memory a process holds, over the time of a run."""

from __future__ import annotations

import os
from pathlib import Path
from statistics import mean

PAGE = os.sysconf("SC_PAGE_SIZE")
ALLOWED_GROWTH = 1.35
"""From the second fifth of a run to the last: a run makes users, rooms and events, which are cached, up to a limit."""
ALLOWED_MORE = 24 * 1024 * 1024
"""What a run may grow by before the ratio counts."""
LEAST_SAMPLES = 120
"""A shorter run says nothing: at first caches fill."""


def resident(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


class Memory:
    """Samples of one run, taken at equal distances."""

    def __init__(self) -> None:
        self.samples: list[int] = []

    def fifth(self, which: int) -> float:
        """Return the mean of a fifth of the run, counted from 0."""
        step = len(self.samples) // 5
        return mean(self.samples[which * step : (which + 1) * step]) if step else 0.0

    def grows(self) -> bool:
        """Return whether the last fifth needed so much more than the second that it looks like a leak."""
        if len(self.samples) < LEAST_SAMPLES:
            return False
        early, late = self.fifth(1), self.fifth(4)
        return late > early * ALLOWED_GROWTH and late > early + ALLOWED_MORE
