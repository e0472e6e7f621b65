"""Tallies: the same figures as the client library's own metrics show."""

from __future__ import annotations

import random

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from hamrasan.runtime.tallies import SECONDS, RequestTally, Tally, TallyCollector


def shown(collector: TallyCollector | RequestTally) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def test_a_tally_shows_what_a_histogram_of_the_library_would() -> None:
    values = [*SECONDS, 0.0, 11.0, *(random.Random(1).expovariate(5) for _ in range(200))]
    tally = Tally(SECONDS)
    theirs = CollectorRegistry()
    histogram = Histogram("x_seconds", "About x.", buckets=SECONDS, registry=theirs)
    for value in values:
        tally.add(value)
        histogram.observe(value)
    expected = [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]
    assert shown(TallyCollector("x_seconds", "About x.", tally)).splitlines() == expected


def test_requests_are_counted_by_operation_and_status_and_timed_by_operation() -> None:
    tally = RequestTally()
    tally.count("sync", 200, 0.002)
    tally.count("sync", 200, None)
    tally.count("sync", 401, 0.0001)
    tally.count("login", 200, 20.0)
    lines = shown(tally).splitlines()
    for line in (
        'hamrasan_http_requests_total{operation="sync",status="200"} 2.0',
        'hamrasan_http_requests_total{operation="sync",status="401"} 1.0',
        'hamrasan_http_requests_total{operation="login",status="200"} 1.0',
        'hamrasan_http_request_seconds_bucket{le="0.0005",operation="sync"} 1.0',
        'hamrasan_http_request_seconds_bucket{le="+Inf",operation="sync"} 2.0',
        'hamrasan_http_request_seconds_bucket{le="10.0",operation="login"} 0.0',
        'hamrasan_http_request_seconds_count{operation="login"} 1.0',
    ):
        assert line in lines


def test_looking_changes_nothing() -> None:
    tally = RequestTally()
    tally.count("sync", 200, 0.002)
    assert shown(tally) == shown(tally)
