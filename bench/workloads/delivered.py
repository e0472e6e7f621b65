"""W3, the headline: messages that every member's long-poll was shown, with the right unread count."""

from __future__ import annotations

from bench.load.child import run_generator
from bench.load.delivered import DRAIN_SECONDS, DeliveredPlan, DeliveredResult, PlanRoom
from bench.results import Sample
from bench.workloads.base import Context

WARMUP_SECONDS = 2.0

SETUP_ALLOWANCE_SECONDS = 600.0
"""For the initial syncs of all members before the window."""


def measure_delivered(context: Context) -> list[Sample]:
    """Measure deliveries a second, the CPU time of each, and the time until the last member was shown."""
    scale = context.scale
    plan = DeliveredPlan(
        port=context.running.port,
        server_pids=list(context.running.pids),
        rooms=[
            PlanRoom(room.room_id, [member.token for member in room.members]) for room in context.world.rooms
        ],
        warmup_seconds=WARMUP_SECONDS,
        seconds=scale.delivered_seconds,
        inflight=scale.delivered_inflight,
        own_send_reads=context.running.server.own_send_reads,
        run=f"{context.tag}w3",
    )
    limit = SETUP_ALLOWANCE_SECONDS + WARMUP_SECONDS + scale.delivered_seconds + DRAIN_SECONDS
    result = run_generator("bench.load.delivered", plan, DeliveredResult, context.cores.generator, limit)
    shown = result.right + result.wrong_count
    values = {
        "deliveries_per_s": result.right / result.elapsed,
        "cpu_us": result.server_cpu * 1e6 / shown,
        "last_p50_ms": result.last_p50_ms,
        "last_p99_ms": result.last_p99_ms,
        "wrong_percent": 100 * (result.wrong_count + result.missing) / (shown + result.missing),
    }
    return [context.sample("w3", values, generator_share=result.generator_share)]
