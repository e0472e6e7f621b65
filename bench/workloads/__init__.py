"""The workloads, in the order in which a round runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.results import Sample
from bench.workloads.base import Context
from bench.workloads.delivered import measure_delivered
from bench.workloads.flat import measure_flat
from bench.workloads.keys import measure_keys
from bench.workloads.latency import measure_latency
from bench.workloads.media import measure_media
from bench.workloads.parked import measure_parked
from bench.workloads.searches import measure_searches
from bench.workloads.sends import measure_sends
from bench.workloads.sliding import measure_sliding
from bench.workloads.syncs import measure_syncs

WORKLOADS: Mapping[str, Callable[[Context], list[Sample]]] = {
    "latency": measure_latency,
    "w1": measure_sends,
    "w2": measure_flat,
    "w3": measure_delivered,
    "w4": measure_parked,
    "w5": measure_syncs,
    "sliding": measure_sliding,
    "keys": measure_keys,
    "search": measure_searches,
    "media": measure_media,
}
"""The names of `--only`, and what each runs. The latency run comes first: after a saturated run a slow server
still works off its background queues."""

STEPS: Mapping[str, tuple[str, ...]] = {
    "latency": ("small_rooms",),
    "w1": ("small_rooms",),
    "w2": ("flat_rooms",),
    "w3": ("small_rooms",),
    "w4": ("small_rooms", "devices"),
    "w5": ("hub",),
    "sliding": ("dwellers",),
    "keys": ("key_ring",),
    "search": ("library",),
    "media": ("small_rooms",),
}
"""The parts of the world that each workload needs, named after the methods of `Builder` that make them."""
