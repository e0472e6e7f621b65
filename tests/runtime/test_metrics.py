"""The metrics: their text form, their independence, the loop-lag probe."""

from __future__ import annotations

import asyncio
import time

from prometheus_client.parser import text_string_to_metric_families

from hamrasan.runtime.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return one sample as somebody who reads the text form finds it."""
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None


def test_what_was_counted_can_be_read_back_in_the_text_format() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.count_request("sync", 200, 0.001)
    metrics.count_commit(0.003, batches=2, events=5)
    metrics.connections.set_function(lambda: 7)
    assert value(metrics, "hamrasan_http_requests_total", operation="sync", status="200") == 3
    assert value(metrics, "hamrasan_events_committed_total") == 5
    assert value(metrics, "hamrasan_commit_seconds_bucket", le="0.0025") == 0
    assert value(metrics, "hamrasan_commit_seconds_bucket", le="0.005") == 1
    assert value(metrics, "hamrasan_commit_batches_sum") == 2
    assert value(metrics, "hamrasan_http_connections") == 7


def test_two_servers_in_a_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.count_commit(0.001, batches=1, events=1)
    assert value(one, "hamrasan_events_committed_total") == 1
    assert value(other, "hamrasan_events_committed_total") == 0


def test_a_callback_that_blocks_the_loop_shows_as_the_longest_until_somebody_has_looked() -> None:
    metrics = Metrics()

    async def scenario() -> None:
        probe = asyncio.create_task(metrics.watch_loop_lag(0.001))
        await asyncio.sleep(0)
        while (value(metrics, "hamrasan_loop_lag_max_seconds") or 0) < 0.04:
            time.sleep(0.05)  # noqa: ASYNC251 - blocking the loop is what is measured
            await asyncio.sleep(0)
        probe.cancel()
        await asyncio.wait([probe])

    asyncio.run(asyncio.wait_for(scenario(), 10))
    metrics.exposition()
    assert value(metrics, "hamrasan_loop_lag_max_seconds") == 0
