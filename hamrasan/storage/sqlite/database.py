"""Connections to the SQLite file: how they are opened, its numbered migrations, and reading.

Write-ahead logging lets readers go on while the writer commits; `synchronous=FULL` makes a commit survive a power cut.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, overload

SCAN_THREADS = 2
"""Reader threads for long reads: as many as the smallest machine has cores."""
BUSY_TIMEOUT_MS = 5_000
"""How long a statement waits for another process (the command line) that writes."""
CACHED_STATEMENTS = 256
CHECKPOINT_PAGES = 4_000
"""The log is copied into the database every 16 MB: rare enough for throughput, small enough to be brief."""

Row = tuple[Any, ...]
T = TypeVar("T")


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection in autocommit mode, with the durability that a `200` promises."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=CACHED_STATEMENTS
    )
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # What expired or was redacted shall not stand in the file's free space. Some systems build SQLite so, others not.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return connection


class StoreNewer(Exception):
    """A newer version of the program has worked on this store, and this one does not know how to read it."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date; each numbered file runs once, in its own transaction. Raises `StoreNewer`."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT"
    )
    for number, file in missing_migrations(connection).items():
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(file.read_text(encoding="utf-8")):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_migrations (number, name) VALUES (?, ?)", (number, file.name)
            )
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def missing_migrations(connection: sqlite3.Connection) -> dict[int, Traversable]:
    """Return the migrations that have not run on this store, by number. Raises `StoreNewer`."""
    folder = resources.files("hamrasan.storage.sqlite") / "migrations"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda e: e.name)
    known = {int(file.name.split("_", 1)[0]): file for file in files}
    done = {number for (number,) in connection.execute("SELECT number FROM schema_migrations")}
    if unknown := done - known.keys():
        raise StoreNewer(f"The store has the migration {max(unknown)}, which this version does not know.")
    return {number: file for number, file in known.items() if number not in done}


def _statements(script: str) -> list[str]:
    """Split a migration into statements (`executescript` would commit between them)."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements


def by_rows(insert: str, sizes: Sequence[int]) -> list[tuple[int, str]]:
    """Return an insert of one row as inserts of as many rows as `sizes` says, each with its number of rows."""
    head, _, row = insert.partition(" VALUES ")
    return [(size, head + " VALUES " + ", ".join([row] * size)) for size in sizes]


class Database:
    """Reads from the SQLite file.

    `get` and `rows` run on the caller's thread and are for bounded, indexed reads (microseconds); `scan` runs in a
    reader thread and is for what may be long.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inline = self._open()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = [self._inline]
        self._threads = ThreadPoolExecutor(SCAN_THREADS, thread_name_prefix="reader")

    @property
    def path(self) -> Path:
        """The file that is read."""
        return self._path

    def get(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Return the first row."""
        row: Row | None = self._inline.execute(sql, parameters).fetchone()
        return row

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a bounded read."""
        return self._inline.execute(sql, parameters).fetchall()

    @overload
    async def scan(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]: ...
    @overload
    async def scan(self, sql: str, parameters: Sequence[Any], make: Callable[[Row], T]) -> list[T]: ...
    async def scan(
        self, sql: str, parameters: Sequence[Any] = (), make: Callable[[Row], Any] | None = None
    ) -> list[Any]:
        """Return all rows of a read that may be long, each through `make`, without holding up the loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._scan, sql, parameters, make)

    def _scan(self, sql: str, parameters: Sequence[Any], make: Callable[[Row], Any] | None) -> list[Any]:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open()
            self._opened.append(connection)
        rows = connection.execute(sql, parameters)
        return rows.fetchall() if make is None else list(map(make, rows))

    def _open(self) -> sqlite3.Connection:
        connection = connect(self._path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def close(self) -> None:
        """Wait for running reads and close every connection."""
        self._threads.shutdown(wait=True)
        for connection in self._opened:
            connection.close()


class Snapshot(Database):
    """Reads of one moment: whatever another process writes meanwhile, every read sees the file as the first one did.

    For a process that holds nobody up: long reads, too, run on the caller's thread.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._inline.execute("BEGIN")

    @overload
    async def scan(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]: ...
    @overload
    async def scan(self, sql: str, parameters: Sequence[Any], make: Callable[[Row], T]) -> list[T]: ...
    async def scan(
        self, sql: str, parameters: Sequence[Any] = (), make: Callable[[Row], Any] | None = None
    ) -> list[Any]:
        """Return all rows, each through `make`."""
        rows = self.rows(sql, parameters)
        return rows if make is None else list(map(make, rows))
