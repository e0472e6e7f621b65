"""Whether the journal can write: asked seldom, answered truly."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from hamrasan.storage.health import HOLDS_S, JournalHealth
from hamrasan.storage.sqlite.store import DATABASE_FILE, Store
from tests.stores import on_store
from tests.worlds import ManualClock


async def _probes(store: Store) -> int:
    row = store.database.get("SELECT count FROM probes")
    assert row is not None
    return int(row[0])


def _write(data_dir: Path, sql: str) -> None:
    connection = sqlite3.connect(data_dir / DATABASE_FILE)
    with connection:
        connection.execute(sql)
    connection.close()


def test_an_answer_holds_for_a_second(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        clock = ManualClock()
        health = JournalHealth(store.journal, clock.monotonic)
        assert await asyncio.gather(*(health.can_write() for _ in range(5))) == [True] * 5
        assert await _probes(store) == 1
        clock.advance(HOLDS_S)
        assert await health.can_write()
        assert await _probes(store) == 2

    on_store(tmp_path, scenario)


def test_a_journal_that_is_closed_cannot_write(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        health = JournalHealth(store.journal, ManualClock().monotonic)
        await store.journal.close()
        assert not await health.can_write()

    on_store(tmp_path, scenario)


def test_a_journal_that_fails_is_noticed_and_so_is_its_recovery(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        clock = ManualClock()
        health = JournalHealth(store.journal, clock.monotonic)
        _write(tmp_path, "ALTER TABLE probes RENAME TO elsewhere")
        assert not await health.can_write()
        _write(tmp_path, "ALTER TABLE elsewhere RENAME TO probes")
        assert not await health.can_write(), "the answer holds for a second"
        clock.advance(HOLDS_S)
        assert await health.can_write()

    on_store(tmp_path, scenario)
