"""Everything the server counts, in one place, each with a sentence on what it tells.

Labels take values from small fixed sets (an operation of the specification, a status), never ids: a label value costs
memory for ever. What is counted for each request or commit is a tally (`hamrasan.runtime.tallies`); what somebody
else knows anyway is asked for when the metrics are shown, by `set_function`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hamrasan.runtime.tallies import SECONDS, SIZES, RequestTally, Tally, TallyCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LOOP_LAG_INTERVAL_S = 0.01
"""How often the event loop is probed: a stall of 50 ms shows with at least four fifths of its length, for a thousandth
of a core."""


class Metrics:
    """The metrics of one server, in a registry of their own (several servers can run in one process)."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = RequestTally()
        registry.register(self._requests)
        self.count_request = self._requests.count
        """Called by the edge for each answer."""
        self.connections = Gauge("hamrasan_http_connections", "Open client connections.", registry=registry)
        self.parked_polls = Gauge(
            "hamrasan_sync_parked_polls", "Sync requests waiting for news.", registry=registry
        )
        self._commits = _Commits()
        registry.register(self._commits)
        self.count_commit = self._commits.count
        """Called for each commit of the journal."""
        self.loaded_rooms = Gauge("hamrasan_rooms_loaded", "Rooms held in memory.", registry=registry)
        self.limited = Counter(
            "hamrasan_rate_limited",
            "Requests refused by a rate limit, by limit.",
            ("limit",),
            registry=registry,
        )
        self.failed_tasks = Counter(
            "hamrasan_tasks_failed", "Background tasks that failed, by task.", ("task",), registry=registry
        )
        self.pushes = Counter(
            "hamrasan_pushes",
            "Push notifications, by what came of them: sent, failed (and tried again), rejected, dropped.",
            ("result",),
            registry=registry,
        )
        self.waiting_pushers = Gauge(
            "hamrasan_pushers_waiting", "Pushers that have something to be told.", registry=registry
        )
        self.destinations = Gauge(
            "hamrasan_federation_destinations",
            "Other servers for which there is something to be sent.",
            registry=registry,
        )
        self.destinations_behind = Gauge(
            "hamrasan_federation_behind",
            "Other servers that failed and have not caught up yet.",
            registry=registry,
        )
        self.waiting_pdus = Gauge(
            "hamrasan_federation_pdus_waiting",
            "Events of other servers that are still to be judged.",
            registry=registry,
        )
        self._lag = _LoopLag()
        registry.register(self._lag)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def exposition(self) -> bytes:
        """Return all values in Prometheus' text format, of the type `CONTENT_TYPE`; may be called in any thread.

        Whoever calls it ends the interval of `hamrasan_loop_lag_max_seconds`.
        """
        return generate_latest(self.registry)

    async def watch_loop_lag(self, interval_s: float = LOOP_LAG_INTERVAL_S) -> None:
        """Probe the running event loop until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(interval_s)
            self._lag.note(time.perf_counter() - began - interval_s)


class _Commits(Collector):
    """What the journal made durable, and how long that took."""

    def __init__(self) -> None:
        self._seconds = Tally(SECONDS)
        self._batches = Tally(SIZES)
        self._events = 0
        self._shown = (
            TallyCollector(
                "hamrasan_commit_seconds", "Time of one group commit, fsync included.", self._seconds
            ),
            TallyCollector("hamrasan_commit_batches", "Decisions that shared one commit.", self._batches),
        )

    def count(self, seconds: float, batches: int, events: int) -> None:
        """Count one commit of `batches` decisions, with `events` events in them."""
        self._seconds.add(seconds)
        self._batches.add(batches)
        self._events += events

    def collect(self) -> Iterator[Metric]:
        """Yield the counter and the histograms as they are now."""
        yield CounterMetricFamily("hamrasan_events_committed", "Events made durable.", value=self._events)
        for collector in self._shown:
            yield from collector.collect()


class _LoopLag(Collector):
    """How late the event loop ran its probes."""

    def __init__(self) -> None:
        self._last = 0.0
        self._longest = 0.0

    def note(self, lag: float) -> None:
        """Take the result of one probe; timers that run early were not late."""
        self._last = lag if lag > 0.0 else 0.0
        if lag > self._longest:
            self._longest = lag

    def collect(self) -> Iterator[Metric]:
        """Yield both gauges, and begin a new interval for the longest."""
        longest, self._longest = self._longest, 0.0
        yield GaugeMetricFamily(
            "hamrasan_loop_lag_seconds",
            "How late the event loop ran its last probe; above 0.05 something blocks it.",
            value=self._last,
        )
        yield GaugeMetricFamily(
            "hamrasan_loop_lag_max_seconds",
            "The longest that the event loop was late since somebody last looked at the metrics.",
            value=longest,
        )
