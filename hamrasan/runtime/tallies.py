"""Counting on hot paths: numbers that one thread adds to, and that become metrics only when somebody looks.

The client library's own counters take a lock for each addition, and its histograms two and a loop over the buckets:
two microseconds for each request. Here the event loop's thread is the only one that adds, so nothing is locked; whoever
reads meanwhile may miss the addition of this moment, and finds it the next time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class Tally:
    """How many values fell between which bounds, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add_all(self, other: Tally) -> None:
        """Count everything that another tally with the same bounds counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def cumulative(self) -> list[tuple[str, float]]:
        """Return the buckets as Prometheus has them: each with everything up to its bound."""
        running, buckets = 0, []
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            running += count
            buckets.append((bound, float(running)))
        return buckets


class TallyCollector(Collector):
    """Shows one tally as a histogram."""

    def __init__(self, name: str, about: str, tally: Tally) -> None:
        self._name = name
        self._about = about
        self._tally = tally

    def collect(self) -> Iterable[Metric]:
        """Yield the histogram as it is now."""
        family = HistogramMetricFamily(self._name, self._about)
        family.add_metric([], self._tally.cumulative(), self._tally.total)
        yield family


class RequestTally(Collector):
    """Requests by operation and status, and the seconds that each operation took."""

    def __init__(self) -> None:
        self._timed: dict[tuple[str, int], Tally] = {}
        self._parked: Counter[tuple[str, int]] = Counter()

    def count(self, operation: str, status: int, seconds: float | None) -> None:
        """Count one answer; without `seconds` it waited for news, and its time says nothing about the server."""
        if seconds is None:
            self._parked[operation, status] += 1
            return
        tally = self._timed.get((operation, status))
        if tally is None:
            tally = self._timed[operation, status] = Tally(SECONDS)
        tally.counts[bisect_left(SECONDS, seconds)] += 1  # `Tally.add`, without the call
        tally.total += seconds

    def collect(self) -> Iterator[Metric]:
        """Yield the counter and the histogram as they are now."""
        timed, parked = dict(self._timed), dict(self._parked)
        answered = CounterMetricFamily(
            "hamrasan_http_requests",
            "Requests answered, by operation of the specification and status.",
            labels=("operation", "status"),
        )
        by_operation: dict[str, Tally] = {}
        for operation, status in sorted({*timed, *parked}):
            count = parked.get((operation, status), 0)
            tally = timed.get((operation, status))
            if tally is not None:
                count += sum(tally.counts)
                by_operation.setdefault(operation, Tally(SECONDS)).add_all(tally)
            answered.add_metric([operation, str(status)], count)
        yield answered
        took = HistogramMetricFamily(
            "hamrasan_http_request_seconds",
            "Time from a request's last byte to its answer; long-polls are not in it.",
            labels=("operation",),
        )
        for operation, tally in by_operation.items():
            took.add_metric([operation], tally.cumulative(), tally.total)
        yield took
