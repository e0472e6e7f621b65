"""What every store must do with subscriptions to threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.thread_subscriptions import (
    EraseThreadSubscriptions,
    PutThreadSubscription,
    StartThreadSubscriptions,
    ThreadSubscriptionRow,
)
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario, on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"
ROOM = "!room:example.org"


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Return what runs a scenario on an empty store."""
    return lambda scenario: on_store(tmp_path, scenario)


async def put(
    store: Store, user_id: str, root: str, *, subscribed: bool = True, automatic: bool = False
) -> ThreadSubscriptionRow:
    """Write what a user says about a thread, and return the row that a reader should find."""
    position = store.journal.next_position
    write = PutThreadSubscription(user_id, root, ROOM, subscribed, automatic, position)
    await store.journal.submit(Batch([write], positions=1))
    return ThreadSubscriptionRow(ROOM, root, subscribed, automatic, position)


def test_the_last_word_about_a_thread_counts(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        threads = store.thread_subscriptions
        assert await threads.get(ALICE, "$root") is None
        first = await put(store, ALICE, "$root", automatic=True)
        assert await threads.get(ALICE, "$root") == first
        assert await threads.get(BOB, "$root") is None
        assert await threads.get(ALICE, "$other") is None
        last = await put(store, ALICE, "$root", subscribed=False)
        assert await threads.get(ALICE, "$root") == last
        assert await threads.count(ALICE) == 1
        assert await threads.count(BOB) == 0

    run(scenario)


def test_changes_are_read_from_the_last_one_back(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        threads = store.thread_subscriptions
        a = await put(store, ALICE, "$a")
        await put(store, ALICE, "$b")
        await put(store, BOB, "$b")
        c = await put(store, ALICE, "$c")
        b = await put(store, ALICE, "$b", subscribed=False)
        assert await threads.changes(ALICE, 0, b.position, 10) == [b, c, a]
        assert await threads.changes(ALICE, 0, b.position, 2) == [b, c]
        assert await threads.changes(ALICE, a.position, b.position - 1, 10) == [c]
        assert await threads.changes(ALICE, b.position, b.position, 10) == []

    run(scenario)


def test_who_has_started_is_kept_and_erasing_leaves_nothing(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        threads = store.thread_subscriptions
        for _ in range(2):
            await store.journal.submit(
                Batch([StartThreadSubscriptions(ALICE), StartThreadSubscriptions(BOB)])
            )
        kept = await put(store, BOB, "$root")
        await put(store, ALICE, "$root")
        assert await threads.has_started(ALICE)
        assert not await threads.has_started("@carol:example.org")
        await store.journal.submit(Batch([EraseThreadSubscriptions(ALICE)]))
        assert not await threads.has_started(ALICE)
        assert await threads.get(ALICE, "$root") is None
        assert await threads.has_started(BOB)
        assert await threads.get(BOB, "$root") == kept
        await store.journal.submit(Batch([EraseThreadSubscriptions(BOB)]))
        for table in ("thread_subscriptions", "thread_subscribers"):
            assert store.database.rows(f"SELECT * FROM {table}") == []

    run(scenario)
