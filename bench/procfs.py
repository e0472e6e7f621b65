"""What the kernel says about processes: their CPU time, their memory, their cores."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

IDLE_SHARE = 0.05
"""A server that uses less than this share of a core has finished what it was asked; Synapse rests at 1-2 %."""

IDLE_WINDOW_SECONDS = 0.5
"""Long enough for 50 clock ticks, so that `IDLE_SHARE` is more than rounding."""


def process_tree(pid: int) -> tuple[int, ...]:
    """Return `pid` and all its living descendants, parents first; empty when the process is gone."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        try:
            tasks = list(Path(f"/proc/{current}/task").iterdir())
        except FileNotFoundError:
            continue
        found.append(current)
        for task in tasks:
            try:
                children = (task / "children").read_text()
            except FileNotFoundError:
                continue
            waiting.extend(int(child) for child in children.split())
    return tuple(found)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time (user and system, reaped children included) that these processes have used."""
    ticks = 0
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            continue
        fields = stat[stat.rindex(")") + 2 :].split()
        ticks += sum(int(value) for value in fields[11:15])
    return ticks / CLOCK_TICKS


def resident_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of these processes, shared pages counted once for each."""
    pages = 0
    for pid in pids:
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except FileNotFoundError:
            continue
    return pages * PAGE_BYTES


def wait_until_idle(pids: Iterable[int], limit_seconds: float) -> bool:
    """Wait until the processes use almost no CPU; return whether they did within `limit_seconds`."""
    pids = tuple(pids)
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        before, started = cpu_seconds(pids), time.monotonic()
        time.sleep(IDLE_WINDOW_SECONDS)
        if (cpu_seconds(pids) - before) / (time.monotonic() - started) < IDLE_SHARE:
            return True
    return False


def pin(pid: int, cores: Iterable[int]) -> None:
    """Let all threads of a process (0: this one) run on `cores` only."""
    own = os.getpid() if pid == 0 else pid
    for task in Path(f"/proc/{own}/task").iterdir():
        os.sched_setaffinity(int(task.name), set(cores))
