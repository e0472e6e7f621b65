"""Everything the server counts, in one place, each with a sentence on what it tells.

Labels take values from small fixed sets (an operation of the specification, a status class), never ids: a
label value costs memory for ever. Children of labelled metrics are looked up once and kept where they are
used often.
"""

from __future__ import annotations

import asyncio

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LOOP_LAG_INTERVAL_S = 0.25
"""How often the event loop is probed: often enough to see a stall of that length, at 4 wake-ups a second."""

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The metrics of one server, in a registry of their own (several servers can run in one process)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "hamrasan_http_requests",
            "Requests answered, by operation of the specification and status.",
            ("operation", "status"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "hamrasan_http_request_seconds",
            "Time from a request's last byte to its answer; long-polls are not in it.",
            ("operation",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.connections = Gauge("hamrasan_http_connections", "Open client connections.", registry=registry)
        self.parked_polls = Gauge(
            "hamrasan_sync_parked_polls", "Sync requests waiting for news.", registry=registry
        )
        self.events = Counter("hamrasan_events_committed", "Events made durable.", registry=registry)
        self.commit_seconds = Histogram(
            "hamrasan_commit_seconds",
            "Time of one group commit, fsync included.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.commit_batches = Histogram(
            "hamrasan_commit_batches", "Decisions that shared one commit.", buckets=_SIZES, registry=registry
        )
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
        self.loop_lag = Gauge(
            "hamrasan_loop_lag_seconds",
            "How late the event loop ran its last probe; above 0.05 something blocks it.",
            registry=registry,
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def exposition(self) -> bytes:
        """Return all values in Prometheus' text format, of the type `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    async def watch_loop_lag(self, interval_s: float = LOOP_LAG_INTERVAL_S) -> None:
        """Probe the running event loop until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + interval_s
            await asyncio.sleep(interval_s)
            self.loop_lag.set(max(0.0, loop.time() - due))
