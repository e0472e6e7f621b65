"""The machine: what it is, which cores are used, and whether it is quiet enough to measure."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

QUIET_IDLE_SHARE = 0.85
"""Below this idle share somebody else is using the machine, and rates say more about them than about us."""

QUIET_SECONDS = 3
"""How long the machine must be idle before a round begins."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The server has one core to itself, the generator (and this harness) the other."""

    server: int
    generator: int


def choose_cores() -> Cores:
    """Return two different cores that this process may use; the same one twice where there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(server=allowed[0], generator=allowed[-1])


def wait_until_quiet(limit_seconds: float) -> float | None:
    """Wait until the machine was idle for `QUIET_SECONDS`.

    Returns None once it was, else the best idle share that was seen within `limit_seconds`.
    """
    deadline = time.monotonic() + limit_seconds
    best = 0.0
    while True:
        share = min(_idle_share(1.0) for _ in range(QUIET_SECONDS))
        if share > QUIET_IDLE_SHARE:
            return None
        best = max(best, share)
        if time.monotonic() >= deadline:
            return best


def describe_machine() -> dict[str, str]:
    """Return what a reader needs to compare machines, as label and value."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "kernel": platform.release(),
        "generator": f"Python {platform.python_version()}",
    }


def _idle_share(seconds: float) -> float:
    idle, total = _jiffies()
    time.sleep(seconds)
    idle_after, total_after = _jiffies()
    return (idle_after - idle) / max(1, total_after - total)


def _jiffies() -> tuple[int, int]:
    values = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return values[3] + values[4], sum(values)
