"""What every store must do with events that are sent later."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.delayed_events import (
    DelayedEventRow,
    DeleteDelayedEventsOf,
    DeleteFinalisedEvents,
    FinaliseDelayedEvent,
    RestartDelayedEvent,
)
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"


def row(delay_id: str, user_id: str = ALICE, delay_ms: int = 10, running_since: int = 100) -> DelayedEventRow:
    return DelayedEventRow(
        delay_id, user_id, "PHONE", "t", "!r:example.org", "m.room.message", None, b"{}", 5, delay_ms, running_since,
        None, None, None, None, None,
    )  # fmt: skip


async def put(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch(list(writes)))


def test_what_is_scheduled_is_known_in_order_of_time(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, row("c", delay_ms=30), row("a"), row("b", BOB, 20))
        assert await store.delayed_events.schedule() == [(110, "a"), (120, "b"), (130, "c")]
        await put(store, RestartDelayedEvent(200, "a"))
        assert await store.delayed_events.schedule() == [(120, "b"), (130, "c"), (210, "a")]
        assert [found.delay_id for found in await store.delayed_events.of_user(ALICE)] == ["c", "a"]
        assert await store.delayed_events.by_id("b") == row("b", BOB, 20)

    on_store(tmp_path, scenario)


def test_what_is_finalised_stays_so_until_it_is_forgotten(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, row("a"), row("b"))
        await put(store, FinaliseDelayedEvent("send", "delay", None, "$e", 300, "a"))
        await put(
            store, FinaliseDelayedEvent("cancel", "error", b"{}", None, 400, "a"), RestartDelayedEvent(9, "a")
        )
        expected = row("a")._replace(outcome="send", reason="delay", event_id="$e", finalised_ts=300)
        assert await store.delayed_events.by_id("a") == expected
        await put(store, DeleteFinalisedEvents(300))
        assert await store.delayed_events.by_id("a") == expected
        await put(store, DeleteFinalisedEvents(301))
        assert await store.delayed_events.by_id("a") is None
        assert await store.delayed_events.schedule() == [(110, "b")]

    on_store(tmp_path, scenario)


def test_everything_of_a_user_can_be_deleted(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, row("a"), row("b", BOB), DeleteDelayedEventsOf(ALICE))
        assert await store.delayed_events.of_user(ALICE) == []
        assert await store.delayed_events.schedule() == [(110, "b")]

    on_store(tmp_path, scenario)
