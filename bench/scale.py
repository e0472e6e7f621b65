"""How much is measured: a full run, whose figures may be quoted, and a quick one for a look while working."""

from __future__ import annotations

from dataclasses import dataclass

MEMBERS_PER_ROOM = 10
"""The rooms of W1 and W3: a family or a team, the size that most published figures use."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes and durations of one run; seconds are upper limits, counts are aims."""

    name: str
    rounds: int
    rooms: int
    sends_seconds: int
    sends_connections: int
    flat_members: tuple[int, ...]
    flat_fill_seconds: int
    flat_probe_sends: int
    flat_seconds: int
    delivered_seconds: int
    delivered_inflight: int
    parked: int
    hub_rooms: int
    hub_fill_seconds: int
    hub_changes: int
    hub_initial_syncs: int
    sliding_rooms: tuple[int, ...]
    sliding_first_answers: int
    key_users: int
    key_queries: int
    media_seconds: int
    media_upload_mb: int
    library_rooms: int
    library_messages: int
    library_searches: int
    latency_rates: tuple[int, ...]
    latency_seconds: int


FULL = Scale(
    name="full",
    rounds=3,
    rooms=100,
    sends_seconds=20,
    sends_connections=64,
    flat_members=(10, 100, 1_000, 5_000, 20_000),
    flat_fill_seconds=900,
    flat_probe_sends=300,
    flat_seconds=10,
    delivered_seconds=20,
    delivered_inflight=64,
    parked=2_000,
    hub_rooms=1_000,
    hub_fill_seconds=900,
    hub_changes=200,
    hub_initial_syncs=3,
    sliding_rooms=(50, 5_000),
    sliding_first_answers=9,
    key_users=1_000,
    key_queries=40,
    media_seconds=10,
    media_upload_mb=1_024,
    library_rooms=1_000,
    library_messages=1_000_000,
    library_searches=40,
    latency_rates=(10, 300),
    latency_seconds=20,
)

QUICK = Scale(
    name="quick",
    rounds=1,
    rooms=20,
    sends_seconds=6,
    sends_connections=64,
    flat_members=(10, 100, 300),
    flat_fill_seconds=60,
    flat_probe_sends=30,
    flat_seconds=3,
    delivered_seconds=6,
    delivered_inflight=16,
    parked=600,
    hub_rooms=60,
    hub_fill_seconds=60,
    hub_changes=20,
    hub_initial_syncs=1,
    sliding_rooms=(20, 200),
    sliding_first_answers=3,
    key_users=200,
    key_queries=10,
    media_seconds=3,
    media_upload_mb=200,
    library_rooms=20,
    library_messages=5_000,
    library_searches=5,
    latency_rates=(10, 300),
    latency_seconds=4,
)
