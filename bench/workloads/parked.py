"""W4: what a long-poll costs in memory while nothing happens."""

from __future__ import annotations

import subprocess
from typing import IO

from bench.errors import BenchError
from bench.load.child import ROOT, generator_command, plan_file
from bench.load.parked import PHASES, ParkedPlan
from bench.procfs import resident_bytes, wait_until_idle
from bench.results import Sample
from bench.workloads.base import Context

SETTLE_LIMIT_SECONDS = 180.0
"""Parking 2,000 polls takes a slow server half a minute."""


def measure_parked(context: Context) -> list[Sample]:
    """Measure the growth of the server's memory while the second half of the polls is parked.

    Memory that the server has freed before is used for new polls, which then seem to cost nothing. So it
    starts anew, and the first half of the polls fills what the initial syncs have left.
    """
    context.running.stop()
    context.running.start()
    devices = context.world.devices
    plan = ParkedPlan(
        port=context.running.port,
        tokens=[device.token for device in devices],
        room_ids=[device.room_id for device in devices],
    )
    with plan_file(plan) as path:
        command = generator_command("bench.load.parked", path, context.cores.generator)
        generator = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert generator.stdin is not None
        assert generator.stdout is not None
        try:
            sizes: list[int] = []
            for phase in PHASES:
                _expect(generator.stdout, phase.encode())
                sizes.append(_settled_bytes(context))
                _step(generator.stdin)
            generator.wait(30)
        finally:
            generator.kill()
            generator.wait(30)
    _, half, whole = sizes
    added = len(devices) - len(devices) // 2
    return [context.sample("w4", {"rss_kb": (whole - half) / added / 1024})]


def _settled_bytes(context: Context) -> int:
    pids = context.running.pids
    if not wait_until_idle(pids, SETTLE_LIMIT_SECONDS):
        raise BenchError(
            f"the server was still busy {SETTLE_LIMIT_SECONDS:.0f} s after the polls were parked"
        )
    return resident_bytes(pids)


def _expect(stream: IO[bytes], phase: bytes) -> None:
    line = stream.readline()
    if phase not in line:
        raise BenchError(f"the parking generator failed; see its output above ({line!r})")


def _step(stream: IO[bytes]) -> None:
    stream.write(b"\n")
    stream.flush()
