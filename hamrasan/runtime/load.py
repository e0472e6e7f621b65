"""How busy this process is, for work that can wait."""

from __future__ import annotations

import asyncio
import time

RESTS = 19
"""Rests after a piece of work, each as long as the work took: so it takes a twentieth of a busy server's time."""
SHORTEST_REST_S = 0.01
"""Below, the system's own clock of used time is too coarse."""


async def let_others_go_first(worked_s: float) -> None:
    """Rest after work that took so many seconds, as long as the process is busy with something else.

    An idle server is hardly waited for, and a server that is always busy still gets the work done.
    """
    rest_s = max(worked_s, SHORTEST_REST_S)
    for _ in range(RESTS):
        began, used = time.monotonic(), time.process_time()
        await asyncio.sleep(rest_s)
        if time.process_time() - used < (time.monotonic() - began) / 2:
            return
