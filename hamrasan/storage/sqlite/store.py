"""A data folder on SQLite, opened: the journal and one reader for each noun."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hamrasan.storage.sqlite import accounts, devices, rooms, tokens, user_data
from hamrasan.storage.sqlite.accounts import SqliteAccounts
from hamrasan.storage.sqlite.database import Database, connect, migrate
from hamrasan.storage.sqlite.devices import SqliteDevices
from hamrasan.storage.sqlite.journal import SqliteJournal
from hamrasan.storage.sqlite.rooms import SqliteEvents, SqliteRooms, SqliteState
from hamrasan.storage.sqlite.tokens import SqliteTokens
from hamrasan.storage.sqlite.user_data import SqliteAccountData, SqliteFilters, SqliteProfiles, SqliteReceipts

STATEMENTS = {
    **accounts.STATEMENTS,
    **devices.STATEMENTS,
    **rooms.STATEMENTS,
    **tokens.STATEMENTS,
    **user_data.STATEMENTS,
}

DATABASE_FILE = "hamrasan.db"
LOCK_FILE = "hamrasan.lock"


class StoreInUse(Exception):
    """Another server process works on this data folder."""


@dataclass(slots=True)
class Store:
    """The open store of one server."""

    journal: SqliteJournal
    events: SqliteEvents
    state: SqliteState
    rooms: SqliteRooms
    accounts: SqliteAccounts
    tokens: SqliteTokens
    devices: SqliteDevices
    account_data: SqliteAccountData
    profiles: SqliteProfiles
    receipts: SqliteReceipts
    filters: SqliteFilters
    database: Database
    _lock: IO[bytes]

    async def close(self) -> None:
        """Commit what waits and close every file."""
        await self.journal.close()
        self.database.close()
        self._lock.close()


def open_store(data_dir: Path) -> Store:
    """Open (or create) the store in `data_dir`; must be called on the event loop's thread.

    Raises `StoreInUse` when another server has it open, since two writers would give the same position twice.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    lock = (data_dir / LOCK_FILE).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise StoreInUse(f"Another server is running on the data folder {data_dir}.") from None
    writer = connect(data_dir / DATABASE_FILE)
    migrate(writer)
    database = Database(data_dir / DATABASE_FILE)
    return Store(
        journal=SqliteJournal(writer, STATEMENTS, rooms.APPENDS, rooms.AFTER_APPENDS),
        events=SqliteEvents(database),
        state=SqliteState(database),
        rooms=SqliteRooms(database),
        accounts=SqliteAccounts(database),
        tokens=SqliteTokens(database),
        devices=SqliteDevices(database),
        account_data=SqliteAccountData(database),
        profiles=SqliteProfiles(database),
        receipts=SqliteReceipts(database),
        filters=SqliteFilters(database),
        database=database,
        _lock=lock,
    )
