"""The journal of a second process: the command line writes accounts and tokens while a server runs, or does not.

It gives no positions, since only the server may: nothing that it writes is shown by `/sync`. With each batch it
announces the change, so that the server forgets what it remembers of accounts and tokens.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from hamrasan.storage.ports.accounts import AnnounceOutsideChange
from hamrasan.storage.ports.journal import Batch, Change, CommitFailed, Position
from hamrasan.storage.sqlite.journal import Statements, execute


class OutsideJournal:
    """Writes each batch in a transaction of its own, on the caller's thread."""

    def __init__(self, connection: sqlite3.Connection, statements: Statements) -> None:
        """Take over `connection` for writing; `statements` maps classes of writes to SQL."""
        self._connection = connection
        self._statements = statements
        self._listeners: dict[type, list[Callable[[Any], None]]] = {}
        self._failure_callbacks: list[Callable[[], None]] = []

    @property
    def next_position(self) -> Position:
        """Positions are the server's; raises `RuntimeError`."""
        raise RuntimeError("beside a server nothing may be written that takes a position")

    @property
    def durable(self) -> Position:
        """The last position that is durable."""
        position: Position = self._connection.execute("SELECT durable FROM journal").fetchone()[0]
        return position

    def listen(self, kind: type[Change], listener: Callable[[Change], None]) -> None:
        """Call `listener` with each `kind` of change of this process once it is durable."""
        self._listeners.setdefault(kind, []).append(listener)

    def on_failure(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a commit failed."""
        self._failure_callbacks.append(callback)

    def submit(self, batch: Batch) -> asyncio.Future[None]:
        """Write `batch` at once; the future has ended, if need be with `CommitFailed`.

        Raises `RuntimeError` for a batch that takes positions.
        """
        if batch.positions:
            raise RuntimeError("beside a server nothing may be written that takes a position")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._commit([*batch.writes, AnnounceOutsideChange()])
        except sqlite3.Error as error:
            for callback in self._failure_callbacks:
                callback()
            future.set_exception(CommitFailed(str(error)))
        else:
            for change in batch.feed:
                for listener in self._listeners.get(type(change), ()):
                    listener(change)
            future.set_result(None)
        return future

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _commit(self, writes: Sequence[tuple[Any, ...]]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for write in writes:
                execute(connection, self._statements[type(write)], write)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
