"""The metrics: their text form, their independence, the loop-lag probe."""

from __future__ import annotations

import asyncio
import time

from prometheus_client.parser import text_string_to_metric_families

from hamrasan.runtime.metrics import Metrics


def test_what_was_counted_can_be_read_back_in_the_text_format() -> None:
    metrics = Metrics()
    metrics.requests.labels("sync", "200").inc(3)
    families = {item.name: item for item in text_string_to_metric_families(metrics.exposition().decode())}
    counted = [
        sample for sample in families["hamrasan_http_requests"].samples if sample.name.endswith("_total")
    ]
    assert [(sample.labels, sample.value) for sample in counted] == [
        ({"operation": "sync", "status": "200"}, 3.0)
    ]


def test_two_servers_in_a_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.events.inc()
    assert one.registry.get_sample_value("hamrasan_events_committed_total") == 1
    assert other.registry.get_sample_value("hamrasan_events_committed_total") == 0


def test_a_callback_that_blocks_the_loop_shows_in_the_lag() -> None:
    metrics = Metrics()

    def lag() -> float:
        return metrics.registry.get_sample_value("hamrasan_loop_lag_seconds") or 0.0

    async def scenario() -> None:
        probe = asyncio.create_task(metrics.watch_loop_lag(0.001))
        await asyncio.sleep(0)
        while lag() < 0.02:
            time.sleep(0.05)  # noqa: ASYNC251 - blocking the loop is what is measured
            await asyncio.sleep(0)
        probe.cancel()
        await asyncio.wait([probe])

    asyncio.run(asyncio.wait_for(scenario(), 10))
    assert lag() >= 0.02
