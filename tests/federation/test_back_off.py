"""Servers that cannot be reached are tried less and less often, also after a restart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from hamrasan.federation.back_off import (
    ALIVE_PAUSE_MS,
    LONGEST_PAUSE_MS,
    SHORTEST_PAUSE_MS,
    SPREAD,
    BackOff,
)
from hamrasan.storage.ports.journal import Batch, Probe
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store
from tests.worlds import ManualClock

NAME = "b.test"
Scenario = Callable[[BackOff, ManualClock], Awaitable[None]]


def with_back_off(folder: Path, scenario: Scenario, clock: ManualClock | None = None) -> None:
    clock = clock or ManualClock()

    async def on(store: Store) -> None:
        await scenario(BackOff(store.journal, store.federation, clock), clock)
        await store.journal.submit(Batch([Probe()]))

    on_store(folder, on)


def test_pauses_grow_with_the_time_of_failing(tmp_path: Path) -> None:
    async def scenario(back_off: BackOff, clock: ManualClock) -> None:
        assert back_off.retry_ts(NAME) == 0
        pauses = []
        for _ in range(20):
            back_off.note_failure(NAME, "test")
            pause = back_off.retry_ts(NAME) - clock.now_ms()
            pauses.append(pause)
            clock.advance((pause + 1) / 1000)
        assert SHORTEST_PAUSE_MS * (1 - SPREAD) <= pauses[0] <= SHORTEST_PAUSE_MS * (1 + SPREAD)
        assert all(pause <= LONGEST_PAUSE_MS * (1 + SPREAD) for pause in pauses)
        assert all(pause >= LONGEST_PAUSE_MS * (1 - SPREAD) for pause in pauses[-3:])
        back_off.note_success(NAME)
        assert back_off.retry_ts(NAME) == 0
        assert back_off.failing_since_ts(NAME) is None

    with_back_off(tmp_path, scenario)


def test_what_fails_is_known_after_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    seen: list[tuple[int, int | None]] = []

    async def before(back_off: BackOff, clock: ManualClock) -> None:
        back_off.note_failure("gone.test", "test")
        back_off.note_failure(NAME, "test")
        back_off.note_success(NAME)
        seen.append((back_off.retry_ts("gone.test"), back_off.failing_since_ts("gone.test")))

    async def after(back_off: BackOff, clock: ManualClock) -> None:
        assert (back_off.retry_ts("gone.test"), back_off.failing_since_ts("gone.test")) == seen[0]
        assert back_off.retry_ts(NAME) == 0

    with_back_off(tmp_path, before, clock)
    with_back_off(tmp_path, after, clock)


def test_who_waits_is_refused_only_for_seconds(tmp_path: Path) -> None:
    async def scenario(back_off: BackOff, clock: ManualClock) -> None:
        back_off.note_failure(NAME, "test")
        clock.advance(3600)
        back_off.note_failure(NAME, "test")
        assert back_off.failed_just_now(NAME)
        clock.advance(11)
        assert not back_off.failed_just_now(NAME)
        assert back_off.retry_ts(NAME) > clock.now_ms()

    with_back_off(tmp_path, scenario)


def test_who_asks_us_is_tried_again_but_not_on_and_on(tmp_path: Path) -> None:
    async def scenario(back_off: BackOff, clock: ManualClock) -> None:
        told: list[str] = []
        back_off.on_alive(told.append)
        back_off.note_alive(NAME)
        back_off.note_failure(NAME, "test")
        back_off.note_alive(NAME)
        assert told == []
        clock.advance(ALIVE_PAUSE_MS / 1000)
        back_off.note_alive(NAME)
        assert told == [NAME]
        assert back_off.retry_ts(NAME) == 0
        assert back_off.failing_since_ts(NAME) is not None
        back_off.note_failure(NAME, "test")
        back_off.note_alive(NAME)
        assert told == [NAME]
        back_off.note_success(NAME)
        assert told == [NAME, NAME]

    with_back_off(tmp_path, scenario)


def test_a_clock_that_was_set_back_locks_nobody_out(tmp_path: Path) -> None:
    later = ManualClock(2_000_000_000_000)

    async def before(back_off: BackOff, clock: ManualClock) -> None:
        back_off.note_failure(NAME, "test")

    async def after(back_off: BackOff, clock: ManualClock) -> None:
        assert not back_off.failed_just_now(NAME)
        assert back_off.retry_ts(NAME) <= clock.now_ms() + LONGEST_PAUSE_MS * (1 + SPREAD)
        back_off.note_failure(NAME, "test")
        assert back_off.retry_ts(NAME) <= clock.now_ms() + LONGEST_PAUSE_MS * (1 + SPREAD)

    with_back_off(tmp_path, before, later)
    with_back_off(tmp_path, after, ManualClock())
