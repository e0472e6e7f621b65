"""Opening a data folder: for a server, beside one, and what is refused."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from hamrasan.storage.ports.accounts import NewAccount
from hamrasan.storage.ports.journal import Batch, CommitFailed, Probe
from hamrasan.storage.ports.server import SetServerName
from hamrasan.storage.sqlite.database import StoreNewer
from hamrasan.storage.sqlite.store import (
    DATABASE_FILE,
    Store,
    StoreInUse,
    StoreMissing,
    StoreOutdated,
    open_beside,
    open_store,
)
from tests.stores import on_store

ALICE = NewAccount("@alice:example.org", None, False, 1, None)


async def nothing(_store: Store) -> None:
    """Only open and close."""


def _write(data_dir: Path, sql: str) -> None:
    connection = sqlite3.connect(data_dir / DATABASE_FILE)
    with connection:
        connection.execute(sql)
    connection.close()


def test_a_new_folder_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    on_store(tmp_path / "data", nothing)
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_second_server_is_refused_and_disturbs_nothing(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        with pytest.raises(StoreInUse):
            open_store(tmp_path)
        await store.journal.submit(Batch([ALICE]))
        assert await store.accounts.account(ALICE.user_id) is not None

    on_store(tmp_path, scenario)


def test_what_is_written_beside_a_server_is_seen_by_it_and_announced(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        before = await store.accounts.outside_changes()
        beside = open_beside(tmp_path)
        await beside.journal.submit(Batch([ALICE]))
        await beside.close()
        assert await store.accounts.account(ALICE.user_id) is not None
        assert await store.accounts.outside_changes() == before + 1
        await store.journal.submit(Batch([SetServerName("example.org")]))
        assert await store.server.name() == "example.org"

    on_store(tmp_path, scenario)


def test_beside_a_server_nothing_takes_a_position(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        beside = open_beside(tmp_path)
        with pytest.raises(RuntimeError):
            beside.journal.submit(Batch([ALICE], positions=1))
        with pytest.raises(RuntimeError):
            _ = beside.journal.next_position
        assert beside.journal.durable == store.journal.durable
        await beside.close()
        assert await store.accounts.account(ALICE.user_id) is None

    on_store(tmp_path, scenario)


def test_a_batch_beside_a_server_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    on_store(tmp_path, nothing)

    async def scenario() -> None:
        beside = open_beside(tmp_path)
        failures: list[str] = []
        beside.journal.on_failure(lambda: failures.append("failed"))
        broken = NewAccount("@bob:example.org", None, None, 1, None)  # type: ignore[arg-type]  # breaks a constraint
        with pytest.raises(CommitFailed):
            await beside.journal.submit(Batch([ALICE, broken]))
        assert failures == ["failed"]
        assert await beside.accounts.account(ALICE.user_id) is None
        assert await beside.accounts.outside_changes() == 0
        await beside.close()

    asyncio.run(scenario())


def test_no_process_but_a_server_makes_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        open_beside(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_server_may_start_while_another_process_has_the_folder_open(tmp_path: Path) -> None:
    on_store(tmp_path, nothing)
    beside = open_beside(tmp_path)
    on_store(tmp_path, nothing)
    asyncio.run(beside.close())


def test_a_store_of_a_newer_version_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    on_store(tmp_path, nothing)
    _write(tmp_path, "INSERT INTO schema_migrations (number, name) VALUES (9999, '9999_later.sql')")
    with pytest.raises(StoreNewer):
        on_store(tmp_path, nothing)
    with pytest.raises(StoreNewer):
        open_beside(tmp_path)


def test_a_store_of_an_older_version_is_brought_up_to_date_only_if_no_server_runs(tmp_path: Path) -> None:
    on_store(tmp_path, nothing)
    _write(tmp_path, "DROP TABLE server")
    _write(tmp_path, "DROP TABLE probes")
    _write(tmp_path, "DELETE FROM schema_migrations WHERE name = '0050_server.sql'")
    with (tmp_path / "hamrasan.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreOutdated):
            open_beside(tmp_path)
    asyncio.run(open_beside(tmp_path).close())
    on_store(tmp_path, nothing)


def test_each_commit_is_told_with_its_time_and_its_batches(tmp_path: Path) -> None:
    told: list[tuple[float, int]] = []

    async def scenario() -> None:
        store = open_store(tmp_path, lambda seconds, batches: told.append((seconds, len(batches))))
        await store.journal.submit(Batch([Probe()]))
        await store.close()

    asyncio.run(scenario())
    ((seconds, batches),) = told
    assert seconds > 0
    assert batches == 1


def test_a_probe_reaches_the_disk(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        log = tmp_path / f"{DATABASE_FILE}-wal"
        before = log.stat().st_size
        await store.journal.submit(Batch())
        assert log.stat().st_size == before
        await store.journal.submit(Batch([Probe()]))
        assert log.stat().st_size > before

    on_store(tmp_path, scenario)


def test_no_two_migrations_have_one_number() -> None:
    files = [entry.name for entry in (resources.files("hamrasan.storage.sqlite") / "migrations").iterdir()]
    numbers = [name.split("_", 1)[0] for name in files if name.endswith(".sql")]
    assert len(numbers) > 3
    assert sorted(numbers) == sorted(set(numbers))
