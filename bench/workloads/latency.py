"""Latency at a fixed rate, open loop: from when a message was due until a long-polling client was shown it."""

from __future__ import annotations

import math

from bench.load.child import run_generator
from bench.load.openloop import OpenLoopPlan, OpenLoopResult, Pair
from bench.results import Sample
from bench.workloads.base import Context

WARMUP_SECONDS = 1.0

GRACE_SECONDS = 10.0
"""A message that comes later than this after the last was due counts as never delivered."""

SETUP_ALLOWANCE_SECONDS = 300.0


def measure_latency(context: Context) -> list[Sample]:
    """Measure each rate, the slow ones first."""
    return [_measure_rate(context, rate) for rate in sorted(context.scale.latency_rates)]


def _measure_rate(context: Context, rate: int) -> Sample:
    seconds = context.scale.latency_seconds
    plan = OpenLoopPlan(
        port=context.running.port,
        server_pids=list(context.running.pids),
        pairs=[
            Pair(room.room_id, sender=room.members[0].token, reader=room.members[1].token)
            for room in context.world.rooms
        ],
        rate=rate,
        warmup_seconds=WARMUP_SECONDS,
        seconds=seconds,
        grace_seconds=GRACE_SECONDS,
        run=f"{context.tag}lat{rate}",
    )
    limit = SETUP_ALLOWANCE_SECONDS + WARMUP_SECONDS + seconds + GRACE_SECONDS
    result = run_generator("bench.load.openloop", plan, OpenLoopResult, context.cores.generator, limit)
    values = {
        "p50_ms": math.inf if result.p50_ms is None else result.p50_ms,
        "p99_ms": math.inf if result.p99_ms is None else result.p99_ms,
        "delivered_percent": 100 * result.delivered / result.due,
    }
    return context.sample("latency", values, axis=rate, generator_share=result.generator_share)
