"""What is measured, under which names, and how rounds become one figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from bench.figures import median

GENERATOR_LIMIT = 0.9
"""A generator that used more of its core than this measured itself; the round does not count."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One kind of figure. `axis` names what grows where the figure is a curve."""

    key: str
    title: str
    unit: str
    better: Literal["more", "less"]
    axis: str | None = None


METRICS: tuple[Metric, ...] = (
    Metric("start.first_s", "first start, empty data directory, to first answer", "s", "less"),
    Metric("start.again_s", "restart on the run's data, to first answer", "s", "less"),
    Metric("start.rss_mb", "memory at rest after the restart", "MiB", "less"),
    Metric("w1.sends_per_s", "W1 sends, 10-member rooms", "1/s", "more"),
    Metric("w1.cpu_us", "W1 CPU per send", "µs", "less"),
    Metric("w1.p50_ms", "W1 send time, median, saturated", "ms", "less"),
    Metric("w1.p99_ms", "W1 send time, p99, saturated", "ms", "less"),
    Metric("w2.p50_ms", "W2 send time in one room, median, one sender", "ms", "less", "members"),
    Metric("w2.cpu_us", "W2 CPU per send in one room", "µs", "less", "members"),
    Metric("w2.join_ms", "W2 time of the room's last joins, median", "ms", "less", "members"),
    Metric("w3.deliveries_per_s", "W3 deliveries with the right count", "1/s", "more"),
    Metric("w3.cpu_us", "W3 CPU per delivery", "µs", "less"),
    Metric("w3.last_p50_ms", "W3 send to last member, median, saturated", "ms", "less"),
    Metric("w3.last_p99_ms", "W3 send to last member, p99, saturated", "ms", "less"),
    Metric("w3.wrong_percent", "W3 deliveries with a wrong count", "%", "less"),
    Metric("w4.rss_kb", "W4 memory per parked long-poll", "KiB", "less"),
    Metric("w5.sync_p50_ms", "W5 incremental sync, one change, median", "ms", "less", "rooms"),
    Metric("w5.sync_p99_ms", "W5 incremental sync, one change, p99", "ms", "less", "rooms"),
    Metric("w5.initial_s", "W5 initial sync", "s", "less", "rooms"),
    Metric("w5.initial_cpu_s", "W5 initial sync, CPU", "s", "less", "rooms"),
    Metric("w5.initial_mb", "W5 initial sync, size", "MB", "less", "rooms"),
    Metric(
        "sliding.first_p50_ms", "sliding sync, first answer of a new device, median", "ms", "less", "rooms"
    ),
    Metric(
        "sliding.first_max_ms", "sliding sync, first answer of a new device, longest", "ms", "less", "rooms"
    ),
    Metric("sliding.first_cpu_ms", "sliding sync, first answer, CPU", "ms", "less", "rooms"),
    Metric("sliding.first_kb", "sliding sync, first answer, size", "kB", "less", "rooms"),
    Metric("sliding.change_p50_ms", "sliding sync, one changed room, median", "ms", "less", "rooms"),
    Metric("sliding.change_p99_ms", "sliding sync, one changed room, p99", "ms", "less", "rooms"),
    Metric("keys.query_p50_ms", "keys of many users at once, median", "ms", "less", "users"),
    Metric("keys.query_p99_ms", "keys of many users at once, p99", "ms", "less", "users"),
    Metric("keys.query_cpu_ms", "keys of many users at once, CPU", "ms", "less", "users"),
    Metric("keys.query_mb", "keys of many users at once, size", "MB", "less", "users"),
    Metric("media.download_mb_per_s", "download of a file of 20 MB, over and over", "MB/s", "more"),
    Metric("media.download_cpu_s", "download, CPU per gigabyte", "s", "less"),
    Metric("media.nginx_mb_per_s", "the same from nginx, on the same core", "MB/s", "more"),
    Metric("media.nginx_cpu_s", "the same from nginx, CPU per gigabyte", "s", "less"),
    Metric("media.nginx_percent", "download, rate as a share of nginx'", "%", "more"),
    Metric("media.upload_growth_mb", "memory that the upload of a gigabyte adds", "MiB", "less"),
    Metric(
        "search.index_cpu_us", "CPU to index a message, read from the store again", "µs", "less", "messages"
    ),
    *(
        Metric(f"search.{name}_{key}", f"search, {title}, {what}", "ms", "less", "messages")
        for name, title in (
            ("recent", "usual words by time"),
            ("rank", "usual words by relevance"),
            ("frequent_recent", "the most frequent word by time"),
            ("frequent_rank", "the most frequent word by relevance"),
            ("both", "the two most frequent words by relevance"),
            ("elsewhere", "a word of all rooms but one's own by time"),
        )
        for key, what in (("p50_ms", "median"), ("p99_ms", "p99"), ("cpu_ms", "CPU"))
    ),
    Metric("latency.p50_ms", "latency send to delivered, median, open loop", "ms", "less", "messages/s"),
    Metric("latency.p99_ms", "latency send to delivered, p99, open loop", "ms", "less", "messages/s"),
    Metric("latency.delivered_percent", "latency run: delivered in time", "%", "more", "messages/s"),
    *(
        Metric(f"{name}.loop_pause_ms", f"longest event-loop pause during {title}", "ms", "less")
        for name, title in (
            ("w1", "W1"),
            ("w2", "W2"),
            ("w3", "W3"),
            ("w4", "W4"),
            ("w5", "W5"),
            ("sliding", "sliding sync"),
            ("keys", "the queries for keys"),
            ("search", "the searches"),
            ("latency", "the latency run"),
        )
    ),
)


class Sample(msgspec.Struct):
    """The figures of one workload in one round; `axis` is the size where they lie on a curve.

    `idle_before` is None when the machine was quiet before the round, else the best idle share seen.
    """

    server: str
    workload: str
    round: int
    values: dict[str, float]
    axis: int | None = None
    generator_share: float = 0.0
    idle_before: float | None = None

    @property
    def generator_bound(self) -> bool:
        """Whether the generator, not the server, set the figures."""
        return self.generator_share > GENERATOR_LIMIT


class Run(msgspec.Struct):
    """Everything that one run found, as it is written to `bench/results/`."""

    started: str
    scale: str
    machine: dict[str, str]
    servers: dict[str, dict[str, str]]
    samples: list[Sample] = []
    notes: list[str] = []


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of one server over all rounds that count.

    `generator_bound`: no round counted, so the figure is a bound that the generator set.
    """

    middle: float
    low: float
    high: float
    rounds: int
    generator_bound: bool


def summarise(samples: Iterable[Sample]) -> dict[tuple[str, int | None, str], Figure]:
    """Return the figure for each (metric key, axis, server)."""
    groups: dict[tuple[str, int | None, str], list[Sample]] = {}
    for sample in samples:
        for key in sample.values:
            groups.setdefault((key, sample.axis, sample.server), []).append(sample)
    return {group: _figure(group[0], members) for group, members in groups.items()}


def ratio(metric: Metric, ours: Figure, theirs: Figure) -> float | None:
    """Return how many times better our median is; None where the ratio has no meaning."""
    if ours.generator_bound or theirs.generator_bound:
        return None
    above, below = (ours, theirs) if metric.better == "more" else (theirs, ours)
    if below.middle <= 0 or above.middle in (0, float("inf")) or below.middle == float("inf"):
        return None
    return above.middle / below.middle


def _figure(key: str, samples: Sequence[Sample]) -> Figure:
    counting = [sample for sample in samples if not sample.generator_bound]
    values = [sample.values[key] for sample in counting or samples]
    return Figure(median(values), min(values), max(values), len(values), not counting)
