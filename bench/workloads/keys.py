"""Keys: what a client asks for before its first message into a large encrypted room."""

from __future__ import annotations

import msgspec

from bench.errors import BenchError
from bench.figures import median, percentile
from bench.load.blocking import BlockingClient
from bench.procfs import cpu_seconds
from bench.results import Sample
from bench.workloads.base import Context

WARM_UP = 3
"""Queries that are not counted."""


def measure_keys(context: Context) -> list[Sample]:
    """Ask for the keys of all users of the key ring at once, again and again."""
    ring = context.world.key_ring
    if ring is None:
        raise BenchError("no users with keys could be made")
    body = msgspec.json.encode({"device_keys": {user_id: [] for user_id in ring.user_ids}})
    times: list[float] = []
    cpu: list[float] = []
    size = 0
    with BlockingClient(context.running.port) as client:
        for number in range(WARM_UP + context.scale.key_queries):
            before = cpu_seconds(context.running.pids)
            timed = client.call("POST", "/_matrix/client/v3/keys/query", ring.asker.token, body)
            answer = timed.response.expect_success("keys/query")
            if number >= WARM_UP:
                times.append(timed.total)
                cpu.append(cpu_seconds(context.running.pids) - before)
            size = len(answer)
    found = msgspec.json.decode(answer)
    for name in ("device_keys", "master_keys", "self_signing_keys"):
        if len(found[name]) != len(ring.user_ids):
            raise BenchError(f"the answer has {name} of {len(found[name])} users")
    values = {
        "query_p50_ms": median(times) * 1000,
        "query_p99_ms": percentile(times, 0.99) * 1000,
        "query_cpu_ms": sum(cpu) / len(cpu) * 1000,
        "query_mb": size / 1e6,
    }
    return [context.sample("keys", values, axis=len(ring.user_ids))]
