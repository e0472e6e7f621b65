"""The search index on SQLite's FTS5, in a file of its own beside the store.

A document's number holds its room and its position, in this order. So the documents of a room lie together in every
list of the index, and a word that occurs in every message of the server costs nothing in rooms that are not asked for.
The text is not kept a second time by FTS5 (`content=''`), but the words are, in `documents`: to take a document out
again the words have to be known, and relevance is computed from them.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.search import (
    Changes,
    Cursor,
    Document,
    Person,
    Place,
    RoomTraits,
    SearchIndexDamaged,
    SearchIndexUnavailable,
    Stretch,
    WordQuery,
)
from hamrasan.storage.sqlite.database import BUSY_TIMEOUT_MS, by_rows
from hamrasan.storage.sqlite.people_index import PEOPLE_SCHEMA, find_people, find_person, put_people

INDEX_FILE = "search.db"
SCHEMA_VERSION = 4
"""A file of another version is thrown away and made anew."""
POSITION_BITS = 38
"""Of a document's number: 270 billion changes. The rest is enough for 33 million rooms."""
FORGOTTEN_AT_ONCE = 500
"""Documents deleted in one transaction, between which new ones are taken in."""
READER_THREADS = 2
PROBE = 10_000
"""Matches that are looked at before going room by room: some milliseconds."""
FEW_STRETCHES = 16
"""With so few it is faster to go through them at once."""
BARREN = 16
"""If the newest stretches, so many, have no match, it is asked first which of the others have any, which is faster."""
ASKED_AT_ONCE = 200
"""Stretches of which that is asked in one statement."""
MERGE_AFTER = 2_000
"""Documents that have to be new before the small parts of the index are merged: each part costs every search a seek."""
MERGED_PAGES = 1_000
"""Pages that are written at most in doing so; a few milliseconds."""
TIDY_AFTER = 20_000
"""Documents that have to be new before tidying up is worth it ..."""
TIDY_SHARE = 0.15
"""... and which share of all; so each document is rewritten a few times in all."""

_EVERY_DOCUMENT = "\ue00f"
"""A word of every document, by which those of a room are found: without one FTS5 knows of no order."""
_MAX_ROOM = 1 << (63 - POSITION_BITS)
_MAX_POSITION = (1 << POSITION_BITS) - 1
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_T = TypeVar("_T")
_log = get_logger(__name__)

_SCHEMA = """
    CREATE TABLE progress (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        position INTEGER NOT NULL, last_event INTEGER NOT NULL, last_event_id TEXT NOT NULL,
        documents INTEGER NOT NULL, merged INTEGER NOT NULL, tidied INTEGER NOT NULL
    ) STRICT;
    INSERT INTO progress VALUES (1, 0, 0, '', 0, 0, 0);
    CREATE TABLE documents (position INTEGER PRIMARY KEY, edit INTEGER NOT NULL, words TEXT NOT NULL) STRICT;
    CREATE VIRTUAL TABLE words USING fts5 (text, content = '', columnsize = 0, tokenize = 'ascii');
    INSERT INTO words (words, rank) VALUES ('usermerge', 2);
    CREATE TABLE indexed_rooms (
        room INTEGER PRIMARY KEY, last INTEGER NOT NULL, hides INTEGER NOT NULL, public INTEGER NOT NULL
    ) STRICT;
"""
_ROWS = (100, 10, 1)
"""Rows in one statement: each gives up the interpreter's lock and waits for it again."""
_ADD_WORDS = by_rows("INSERT INTO words (rowid, text) VALUES (?, ?)", _ROWS)
_ADD_DOCUMENTS = by_rows("INSERT INTO documents VALUES (?, ?, ?)", _ROWS)
_REMOVE = (
    "INSERT INTO words (words, rowid, text) SELECT 'delete', ?1, words FROM documents WHERE position = ?2",
    "DELETE FROM documents WHERE position = ?",
)
_NUMBERS = "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? LIMIT ?"
_PUT_ROOM = (
    "INSERT INTO indexed_rooms VALUES (?1, ?2, ?3, ifnull(?4, 0)) ON CONFLICT (room) DO UPDATE SET"
    " last = max(last, ?2), hides = max(hides, ?3), public = ifnull(?4, public)"
)
_PROGRESS = "UPDATE progress SET position = ?, last_event = ?, last_event_id = ?, documents = documents + ?"
_TRAITS = "SELECT room, last, hides FROM indexed_rooms WHERE room IN (SELECT value FROM json_each(?))"
_PROBE = "SELECT rowid FROM words WHERE words MATCH ? LIMIT ?"
_STRETCH = "SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?"
_HAVING = (
    "SELECT key FROM json_each(?2) s WHERE EXISTS (SELECT 1 FROM words WHERE words MATCH ?1"
    " AND rowid BETWEEN s.value ->> 0 AND s.value ->> 1)"
)
_DOCUMENTS = "SELECT position, edit, words FROM documents WHERE position IN (SELECT value FROM json_each(?))"


class SqliteSearchIndex:
    """The search index of a data folder (see `hamrasan.storage.ports.search.SearchIndex`)."""

    def __init__(self, store: Path) -> None:
        """`store` is the file of the store, beside which the index has its own."""
        self._path = store.with_name(INDEX_FILE)
        self._store = store
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._generation = 0
        """Counts how often the file was thrown away; readers open the new one."""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="search-writer")
        self._readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="search-reader")
        self._opening = threading.Lock()
        """Nobody opens the file while it is made anew."""
        self._checked = False

    def close(self) -> None:
        """Wait for what is being done and close the file."""
        self._readers.shutdown(wait=True)
        self._writer.shutdown(wait=True)
        for connection in self._opened:
            connection.close()

    async def cursor(self) -> Cursor:
        """Return how far the index has come."""
        return await self._write(_cursor)

    async def reset(self) -> None:
        """Throw everything away and begin anew at position 0."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._throw_away)
        except sqlite3.OperationalError as error:
            raise SearchIndexUnavailable(str(error)) from error

    async def write(self, prepare: Callable[[], Changes]) -> None:
        """Write what `prepare` returns, in the writer's thread."""
        await self._write(lambda connection: _apply(connection, prepare()))

    async def forget(self, room: int, upto: Position) -> None:
        """Delete the documents of a room up to a position, some at a time; what was before the first is in no index."""
        if upto < 1:
            return
        first, last = room << POSITION_BITS, room << POSITION_BITS | min(upto, _MAX_POSITION)
        while await self._write(lambda connection: _forget(connection, first, last)) == FORGOTTEN_AT_ONCE:
            pass

    async def tidy(self) -> None:
        """Merge the small parts of the index, and all of them once it has changed by more than a seventh."""
        await self._write(_tidy)

    async def traits(self, rooms: Sequence[int]) -> dict[int, RoomTraits]:
        """Return what is known of those of the rooms that have documents."""
        return await self._read(lambda connection: _traits(connection, rooms))

    async def newest(self, query: WordQuery, stretches: Sequence[Stretch], limit: int) -> list[Document]:
        """Return the newest `limit` documents that match, the newest first."""
        expression = _expression(query)
        return await self._read(lambda connection: _newest(connection, expression, stretches, limit))

    async def people(self, words: Sequence[str], viewer: str, limit: int) -> list[Person]:
        """Return at most `limit` people that `viewer` may find by the beginnings of their words."""
        return await self._read(lambda connection: find_people(connection, words, viewer, limit))

    async def person(self, user_id: str, viewer: str) -> Person | None:
        """Return one user if `viewer` may find them."""
        return await self._read(lambda connection: find_person(connection, user_id, viewer))

    # Threads and connections.

    async def _write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, self._run, work, True)

    async def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._run, work, False)

    def _run(self, work: Callable[[sqlite3.Connection], _T], writes: bool) -> _T:
        local = self._local
        try:
            if getattr(local, "generation", -1) != self._generation:
                with self._opening:
                    local.connection = self._open(writes)
                    local.generation = self._generation
                self._opened.append(local.connection)
            result: _T = work(local.connection)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in _DAMAGED:
                raise SearchIndexDamaged(str(error)) from error
            if isinstance(error, sqlite3.OperationalError):
                raise SearchIndexUnavailable(str(error)) from error
            raise
        return result

    def _open(self, writes: bool) -> sqlite3.Connection:
        if not self._checked:
            self._check_file()
            self._checked = True
        connection = _connect(self._path)
        if not writes:
            connection.execute("ATTACH DATABASE ? AS store", (str(self._store),))
            connection.execute("PRAGMA query_only = ON")
        return connection

    def _check_file(self) -> None:
        """See whether the file can be used; one that is damaged or of another version is thrown away."""
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == SCHEMA_VERSION:
                _cursor(connection)
                return
            if version:
                _log.warning("search_index_outdated", version=version)
        except sqlite3.DatabaseError as error:
            _log.warning("search_index_damaged", reason=str(error))
        finally:
            connection.close()
        self._make_anew()

    def _throw_away(self) -> None:
        with self._opening:
            self._make_anew()
            self._generation += 1

    def _make_anew(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        connection = _connect(self._path)
        connection.executescript(_SCHEMA + PEOPLE_SCHEMA)
        # Last: a file without it is one whose making was interrupted.
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    """Open a connection. A power cut may take the last commits with it: they are made again from the cursor on."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


# Writing


def _cursor(connection: sqlite3.Connection) -> Cursor:
    row = connection.execute("SELECT position, last_event, last_event_id FROM progress").fetchone()
    return Cursor._make(row)


def _apply(connection: sqlite3.Connection, changes: Changes) -> None:
    # In the order of numbers: each step back would begin a new part of the index.
    added = sorted((number, document) for document in changes.added if (number := _number(document.place)))
    connection.execute("BEGIN IMMEDIATE")
    try:
        count = len(added)
        for document in changes.replaced:
            if number := _number(document.place):
                count += _replace(connection, number, document)
        _add(connection, added)
        connection.executemany(_PUT_ROOM, changes.rooms)
        put_people(connection, changes.people)
        connection.execute(_PROGRESS, (*changes.cursor, count))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _add(connection: sqlite3.Connection, added: Sequence[tuple[int, Document]]) -> None:
    texts = [(number, document, f"{document.words} {_EVERY_DOCUMENT}") for number, document in added]
    _insert(connection, _ADD_WORDS, [(number, text) for number, _, text in texts])
    rows = [(document.place.position, document.edit, text) for _, document, text in texts]
    _insert(connection, _ADD_DOCUMENTS, sorted(rows))


def _insert(
    connection: sqlite3.Connection, statements: Sequence[tuple[int, str]], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows, many at once as long as there are many."""
    start = 0
    for size, statement in statements:
        while len(rows) - start >= size:
            connection.execute(statement, list(chain.from_iterable(rows[start : start + size])))
            start += size


def _replace(connection: sqlite3.Connection, number: int, document: Document) -> int:
    """Put a document in the place of what was there; return how many more there are now."""
    count = -_remove(connection, number)
    if document.words:
        _add(connection, [(number, document)])
        count += 1
    return count


def _remove(connection: sqlite3.Connection, number: int) -> int:
    """Take a document out if it is there; return whether it was."""
    position = _position(number)
    connection.execute(_REMOVE[0], (number, position))
    return connection.execute(_REMOVE[1], (position,)).rowcount


def _forget(connection: sqlite3.Connection, first: int, last: int) -> int:
    """Delete the first documents of a stretch and return how many."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        values = (_EVERY_DOCUMENT, first, last, FORGOTTEN_AT_ONCE)
        found = connection.execute(_NUMBERS, values).fetchall()
        for (number,) in found:
            _remove(connection, number)
        connection.execute("UPDATE progress SET documents = documents - ?", (len(found),))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return len(found)


def _tidy(connection: sqlite3.Connection) -> None:
    row = connection.execute("SELECT documents, merged, tidied FROM progress").fetchone()
    documents, merged, tidied = row
    if abs(documents - tidied) >= max(TIDY_AFTER, TIDY_SHARE * documents):
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.execute("UPDATE progress SET merged = documents, tidied = documents")
    elif abs(documents - merged) >= MERGE_AFTER:
        connection.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (MERGED_PAGES,))
        connection.execute("UPDATE progress SET merged = documents")


def _number(place: Place) -> int:
    """Return the number of a document, 0 for one beyond the numbers that there are: it cannot be found."""
    if place.room >= _MAX_ROOM or place.position > _MAX_POSITION:
        return 0
    return place.room << POSITION_BITS | place.position


def _place(number: int) -> Place:
    return Place(number >> POSITION_BITS, number & _MAX_POSITION)


# Reading


def _traits(connection: sqlite3.Connection, rooms: Sequence[int]) -> dict[int, RoomTraits]:
    rows = connection.execute(_TRAITS, (json.dumps(rooms),))
    return {room: RoomTraits(last, bool(hides)) for room, last, hides in rows}


def _expression(query: WordQuery) -> str:
    """Return the query in the language of FTS5; words are quoted, so nothing in them is part of the language."""
    return " AND ".join(
        "(" + " OR ".join(_quoted(" ".join(words)) for words in group) + ")" for group in query.groups
    )


def _quoted(words: str) -> str:
    return '"' + words.replace('"', "").replace("\x00", "") + '"'


def _newest(
    connection: sqlite3.Connection, expression: str, stretches: Sequence[Stretch], limit: int
) -> list[Document]:
    numbers: list[int] | None = None
    if len(stretches) > FEW_STRETCHES:
        numbers = _probe(connection, expression, stretches, limit)
    if numbers is None:
        numbers = _walk(connection, expression, stretches, limit)
    places = [_place(number) for number in numbers]
    rows = connection.execute(_DOCUMENTS, (json.dumps([place.position for place in places]),))
    found = {position: (edit, words) for position, edit, words in rows}
    return [Document(place, *found[place.position]) for place in places if place.position in found]


def _probe(
    connection: sqlite3.Connection, expression: str, stretches: Sequence[Stretch], limit: int
) -> list[int] | None:
    """Return the newest matches if there are few in all of the server; None if there are too many."""
    rows = connection.execute(_PROBE, (expression, PROBE + 1)).fetchall()
    if len(rows) > PROBE:
        return None
    wanted: dict[int, list[Stretch]] = {}
    for stretch in stretches:
        wanted.setdefault(stretch.room, []).append(stretch)
    found: list[int] = []
    for (number,) in rows:
        here = wanted.get(number >> POSITION_BITS)
        if here is not None:
            position = number & _MAX_POSITION
            if any(stretch.after < position <= stretch.upto for stretch in here):
                found.append(number)
    return heapq.nlargest(limit, found, key=_position)


def _walk(
    connection: sqlite3.Connection, expression: str, stretches: Sequence[Stretch], limit: int
) -> list[int]:
    """Go from room to room, the one with the newest documents first, until no newer match can come."""
    rooms = list({stretch.room for stretch in stretches})
    last = {room: traits.last for room, traits in _traits(connection, rooms).items()}
    ordered = sorted(
        ((min(s.upto, last[s.room]), s) for s in stretches if s.room in last), key=lambda item: -item[0]
    )
    newest: list[tuple[Position, int]] = []
    for upto, stretch in _fruitful(connection, expression, ordered, newest):
        after = stretch.after
        if len(newest) == limit:
            if newest[0][0] >= upto:
                break
            after = max(after, newest[0][0])
        values = (expression, *_range(stretch.room, after, upto), limit)
        for (number,) in connection.execute(_STRETCH, values):
            item = (_position(number), number)
            if len(newest) < limit:
                heapq.heappush(newest, item)
            else:
                heapq.heappushpop(newest, item)
    return [number for _, number in sorted(newest, reverse=True)]


def _fruitful(
    connection: sqlite3.Connection,
    expression: str,
    ordered: Sequence[tuple[Position, Stretch]],
    newest: Sequence[object],
) -> Iterator[tuple[Position, Stretch]]:
    """Yield those of the stretches that may have matches; `newest` grows with those that have."""
    start = 0
    while start < len(ordered) and (start < BARREN or newest):
        yield ordered[start]
        start += 1
    for first in range(start, len(ordered), ASKED_AT_ONCE):
        part = ordered[first : first + ASKED_AT_ONCE]
        ranges = json.dumps([_range(stretch.room, stretch.after, upto) for upto, stretch in part])
        for (index,) in connection.execute(_HAVING, (expression, ranges)).fetchall():
            yield part[index]


def _range(room: int, after: Position, upto: Position) -> tuple[int, int]:
    """Return the first and the last number of the documents in a stretch."""
    base = room << POSITION_BITS
    return base + after + 1, base + upto


def _position(number: int) -> Position:
    return number & _MAX_POSITION
