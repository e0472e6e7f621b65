"""Looking at a data folder: what is found, and that nothing changes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import NewRoom
from hamrasan.storage.sqlite.inspection import POSITIONS, Inspection, Misplaced
from hamrasan.storage.sqlite.store import DATABASE_FILE, Store, StoreMissing, StoreOutdated
from tests.stores import on_store


async def a_room(store: Store) -> None:
    """Make a room at position 1."""
    room = NewRoom(1, "!room:example.org", "11", "@alice:example.org", store.journal.next_position)
    await store.journal.submit(Batch([room], positions=1))


def _write(data_dir: Path, sql: str) -> None:
    connection = sqlite3.connect(data_dir / DATABASE_FILE)
    with connection:
        connection.execute(sql)
    connection.close()


def _misplaced(data_dir: Path) -> list[Misplaced]:
    inspection = Inspection(data_dir)
    try:
        assert inspection.damages() == []
        return inspection.misplaced()
    finally:
        inspection.close()


def test_a_store_as_it_should_be_has_no_problem(tmp_path: Path) -> None:
    on_store(tmp_path, a_room)
    assert _misplaced(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            "UPDATE journal SET durable = 0",
            Misplaced("found.too_high", {"table": "rooms", "position": 1, "durable": 0}),
        ),
        ("UPDATE rooms SET position = 0", Misplaced("found.too_low", {"table": "rooms", "position": 0})),
        ("UPDATE journal SET durable = -1", Misplaced("found.journal", {"position": -1})),
        ("DELETE FROM journal", Misplaced("found.journal_lost", {})),
    ],
)
def test_a_position_that_cannot_be_is_found(tmp_path: Path, damage: str, told: Misplaced) -> None:
    on_store(tmp_path, a_room)
    _write(tmp_path, damage)
    assert told in _misplaced(tmp_path)


def test_a_damaged_index_is_found(tmp_path: Path) -> None:
    on_store(tmp_path, a_room)
    _write(tmp_path, "CREATE INDEX extra ON rooms (version)")
    connection = sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX extra ON rooms (creator)' WHERE name = 'extra'"
    )
    connection.close()
    inspection = Inspection(tmp_path)
    assert inspection.damages() != []
    inspection.close()


def test_what_a_server_writes_meanwhile_is_not_seen(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        inspection = Inspection(tmp_path)
        assert await inspection.rooms.page(0, 10) == []
        await a_room(store)
        assert await inspection.rooms.page(0, 10) == []
        assert inspection.misplaced() == []
        inspection.close()

    on_store(tmp_path, scenario)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    on_store(tmp_path, a_room)
    inspection = Inspection(tmp_path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        inspection.database.rows("DELETE FROM rooms")
    inspection.close()


def test_a_folder_without_data_stays_without(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        Inspection(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_an_older_version_is_left_alone(tmp_path: Path) -> None:
    on_store(tmp_path, a_room)
    _write(tmp_path, "DELETE FROM schema_migrations WHERE number = 1")
    with pytest.raises(StoreOutdated):
        Inspection(tmp_path)


def test_every_table_with_positions_is_looked_at(tmp_path: Path) -> None:
    on_store(tmp_path, a_room)
    connection = sqlite3.connect(tmp_path / DATABASE_FILE)
    rows = connection.execute(
        "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c"
        " WHERE m.type = 'table' AND c.name = 'position'"
    ).fetchall()
    connection.close()
    assert {name for (name,) in rows} == set(POSITIONS)
