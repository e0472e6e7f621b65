"""Who counts what: the parts of the server tell the metrics, and none of them knows what a metric is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from hamrasan.http.edge import Edge
from hamrasan.runtime.metrics import Metrics
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import RoomEvents
from hamrasan.storage.sqlite.journal import OnCommit


def counting_commits(metrics: Metrics) -> OnCommit:
    """Return what hears of each commit of the journal."""
    count = metrics.count_commit

    def on_commit(seconds: float, batches: Sequence[Batch]) -> None:
        events = sum(len(item.events) for batch in batches for item in batch.feed if type(item) is RoomEvents)
        count(seconds, len(batches), events)

    return on_commit


def counting_refusals(metrics: Metrics) -> Callable[[str], None]:
    """Return what hears of each refusal by a rate limit."""
    counter_of = cache(metrics.limited.labels)
    return lambda limit: counter_of(limit).inc()


def counting_failures(metrics: Metrics) -> Callable[[str], None]:
    """Return what hears of each background task that failed."""
    return lambda task: metrics.failed_tasks.labels(task).inc()


def counting_pushes(metrics: Metrics) -> Callable[[str], None]:
    """Return what hears of each push notification, and what came of it."""
    counter_of = cache(metrics.pushes.labels)
    return lambda result: counter_of(result).inc()


def watch(metrics: Metrics, edge: Edge, loaded_rooms: Callable[[], int]) -> None:
    """Let the metrics ask for what others know, whenever somebody looks at them."""
    metrics.connections.set_function(lambda: edge.connections)
    metrics.parked_polls.set_function(lambda: edge.parked)
    metrics.loaded_rooms.set_function(loaded_rooms)
