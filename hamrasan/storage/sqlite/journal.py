"""The journal on SQLite: one writer thread, group commit, fsync.

While one commit is under way, batches gather; the writer then takes all of them into the next transaction. There is no
timer: at rest a batch is committed at once, under load many share one fsync.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import structlog

from hamrasan.protocol.errors import limit_exceeded
from hamrasan.storage.ports.journal import Batch, Change, CommitFailed, Position, Probe, Write
from hamrasan.storage.sqlite.database import by_rows
from hamrasan.storage.sqlite.recent_events import Mover, RecentEvents, kind_of

MAX_WAITING = 4_000
"""Batches that may wait to become durable (half a second of writing); beyond it senders are asked to slow down."""
MAX_GROUP = 512
"""Batches in one transaction, so that the first of them does not wait for too many others."""
RETRY_AFTER_MS = 500
GATHERING_TURNS = 3
"""Turns of the loop in which batches are gathered. At rest that is no time at all; a loop that is busy answering has
long turns, and then a commit for each of them would be several times as many commits as are needed.
"""
ROWS_PER_STATEMENT = (32, 8, 2, 1)
"""Rows in one insert. Each statement gives up the interpreter's lock and waits for it again; with one row each, the
two threads would change places for every event."""

_log = structlog.get_logger("hamrasan.journal")

Statements = Mapping[type, str | tuple[str, ...]]
"""The SQL of each class of writes; several statements are given the same values."""

STATEMENTS: Statements = {Probe: "UPDATE probes SET count = count + 1"}

OnCommit = Callable[[float, Sequence[Batch]], None]
"""Hears, on the loop's thread, how many seconds a commit took and what was in it; must not raise."""


def nobody_counts(_seconds: float, _batches: Sequence[Batch]) -> None:
    """Nobody counts commits."""


_Waiting = tuple[Batch, asyncio.Future[None]]


def execute(connection: sqlite3.Connection, statements: str | tuple[str, ...], write: Write) -> None:
    """Carry out one write."""
    for statement in (statements,) if isinstance(statements, str) else statements:
        connection.execute(statement, write)


class SqliteJournal:
    """The single writer of a SQLite store (see `hamrasan.storage.ports.journal.Journal`)."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        statements: Statements,
        appends: frozenset[type],
        after_appends: frozenset[type],
        recent: RecentEvents,
        on_commit: OnCommit = nobody_counts,
    ) -> None:
        """Take over `connection` for writing.

        `statements` maps classes of writes to SQL. Rows of the `appends` classes never touch each other, and no other
        write of the same commit but those of the `after_appends` classes, so they may be written together.
        Events are told to `recent`, and moved from there. `on_commit` hears of each commit.
        """
        self._connection = connection
        self._statements = statements
        self._appends = appends
        self._append_statements = {
            kind: by_rows(str(statements[kind]), ROWS_PER_STATEMENT) for kind in appends
        }
        self._after_appends = after_appends
        self._recent = recent
        self._mover = Mover(len(recent))
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._gathered: list[_Waiting] = []
        self._queue: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._waiting = 0
        self.durable: Position = connection.execute("SELECT durable FROM journal").fetchone()[0]
        self._next: Position = self.durable + 1
        self._listeners: dict[type, list[Callable[[Any], None]]] = {}
        self._failure_callbacks: list[Callable[[], None]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._write_until_closed, name="journal", daemon=True)
        self._thread.start()

    @property
    def next_position(self) -> Position:
        """The position that the next submitted batch begins with."""
        return self._next

    def listen(self, kind: type[Change], listener: Callable[[Change], None]) -> None:
        """Call `listener` with each `kind` of change once it is durable."""
        self._listeners.setdefault(kind, []).append(listener)

    def on_failure(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a commit failed."""
        self._failure_callbacks.append(callback)

    def submit(self, batch: Batch) -> asyncio.Future[None]:
        """Take `batch` for the next commit."""
        if self._closed:
            raise CommitFailed("it is shutting down")
        if self._waiting >= MAX_WAITING:
            raise limit_exceeded(RETRY_AFTER_MS)
        future: asyncio.Future[None] = self._loop.create_future()
        self._next += batch.positions
        self._waiting += 1
        if not self._gathered:
            self._loop.call_soon(self._hand_over_after, GATHERING_TURNS - 1)
        self._gathered.append((batch, future))
        return future

    def _hand_over_after(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._hand_over_after, turns - 1)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the writer what was submitted: requests that arrive together share a commit."""
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._queue.put(gathered)

    async def close(self) -> None:
        """Commit what waits, then stop."""
        if self._closed:
            return
        self._closed = True
        self._hand_over()
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._connection.close()

    # The writer's thread.

    def _write_until_closed(self) -> None:
        closing = False
        while not closing:
            first = self._queue.get()
            if first is None:
                return
            group = first
            while len(group) < MAX_GROUP:
                try:
                    waiting = self._queue.get_nowait()
                except queue.Empty:
                    break
                if waiting is None:
                    closing = True
                    break
                group += waiting
            self._write_group(group)

    def _write_group(self, group: list[_Waiting]) -> None:
        began = time.perf_counter()
        try:
            self._commit([batch for batch, _ in group])
        except sqlite3.Error as error:
            handled = threading.Event()
            self._loop.call_soon_threadsafe(self._failed, group, error, handled)
            handled.wait()
        else:
            self._loop.call_soon_threadsafe(self._committed, group, time.perf_counter() - began)
            self._move_recent([batch for batch, _ in group])

    def _move_recent(self, batches: Sequence[Batch]) -> None:
        if not self._mover.is_due(batches):
            return
        try:
            moved = self._mover.move(self._connection)
        except sqlite3.Error as error:
            _log.error("recent_events_not_moved", reason=str(error))
        else:
            self._loop.call_soon_threadsafe(self._recent.moved, moved)

    def _commit(self, batches: Sequence[Batch]) -> None:
        connection, statements = self._connection, self._statements
        together: dict[type, list[tuple[Any, ...]]] = {}
        positions = 0
        connection.execute("BEGIN IMMEDIATE")
        try:
            for batch in batches:
                positions += batch.positions
                for write in batch.writes:
                    kind = kind_of(write)
                    if kind in self._appends:
                        together.setdefault(kind, []).append(write)
                        continue
                    if kind in self._after_appends:
                        self._append(together)
                    execute(connection, statements[kind], write)
            self._append(together)
            if positions:
                connection.execute("UPDATE journal SET durable = durable + ?", (positions,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _append(self, together: dict[type, list[tuple[Any, ...]]]) -> None:
        for kind, rows in together.items():
            start = 0
            for size, statement in self._append_statements[kind]:
                while len(rows) - start >= size:
                    values = list(chain.from_iterable(rows[start : start + size]))
                    self._connection.execute(statement, values)
                    start += size
        together.clear()

    # Back on the loop's thread.

    def _committed(self, group: list[_Waiting], seconds: float) -> None:
        self._waiting -= len(group)
        batches = [batch for batch, _ in group]
        self._on_commit(seconds, batches)
        self.durable += sum(batch.positions for batch in batches)
        self._recent.committed(batches)
        listeners = self._listeners
        for batch in batches:
            for change in batch.feed:
                for listener in listeners.get(type(change), ()):
                    listener(change)
        for _, future in group:
            if not future.done():
                future.set_result(None)

    def _failed(self, group: list[_Waiting], error: sqlite3.Error, handled: threading.Event) -> None:
        """Fail the group and everything submitted after it, which may have been decided on top of it."""
        closing = False
        self._hand_over()
        while True:
            try:
                later = self._queue.get_nowait()
            except queue.Empty:
                break
            if later is None:
                closing = True
            else:
                group += later
        self._waiting -= len(group)
        self._next = self.durable + 1
        _log.error("commit_failed", reason=str(error), batches=len(group))
        for callback in self._failure_callbacks:
            callback()
        for _, future in group:
            if not future.done():
                future.set_exception(CommitFailed(str(error)))
        if closing:
            self._queue.put(None)
        handled.set()
