"""Messages that are durable but not yet in `events`, the indexed table, and how they get there.

Every row of `events` changes a page of each index, at a random place, and a commit writes all these pages: for a few
dozen messages that costs several times what the messages themselves do. So plain messages (no state, no relation) are
committed to `recent_events`, which has no index, and many of them are moved at once. What is looked up by more than
the position is found, meanwhile, by what is kept of them in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import takewhile

from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.rooms import StoredEvent
from hamrasan.storage.sqlite.database import Database

COMMITS_PER_MOVE = 64
"""A move holds up the commits that come meanwhile for about as long as that many commits take."""
MIN_MOVED = 256
MAX_MOVED = 2_048
"""Rows of one move: fewer share too few pages, more would hold up commits for longer than a twentieth of a second."""

MOVE = (
    "INSERT INTO events SELECT * FROM recent_events",
    "DELETE FROM recent_events",
)


class RecentEvent(StoredEvent):
    """An event that goes to `recent_events`."""

    __slots__ = ()


def kind_of(write: Write) -> type:
    """Return the class by which the journal finds the statement of a write.

    State and relations are looked up in ways that only `events` has indexes for.
    """
    kind = type(write)
    if kind is StoredEvent and write[_STATE_KEY] is None and write[_RELATES_TO] is None:
        return RecentEvent
    return kind


_POSITION, _ROOM, _EVENT_ID, _STATE_KEY, _RELATES_TO = map(
    StoredEvent._fields.index, ("position", "room", "event_id", "state_key", "relates_to")
)


class RecentEvents:
    """Where the rows of `recent_events` are: by event id, and by room. It may know more than is still there.

    Whoever finds a position here reads it from the view `all_events`: the row may be moved at any moment.
    """

    def __init__(self, database: Database) -> None:
        self._found: dict[str, tuple[Position, int]] = {}
        """Position and room by event id, in the order of positions."""
        self._rooms: dict[int, list[Position]] = {}
        for event_id, *where in database.rows(
            "SELECT event_id, position, room FROM recent_events ORDER BY position"
        ):
            self._add(event_id, (where[0], where[1]))

    def __len__(self) -> int:
        return len(self._found)

    def position_of(self, event_id: str) -> Position | None:
        """Return the position of a recent event."""
        found = self._found.get(event_id)
        return None if found is None else found[0]

    def in_room(
        self, room: int, after: Position, upto: Position, limit: int, *, backwards: bool
    ) -> list[Position]:
        """Return the positions of at most `limit` recent events of a room, the nearest to where one begins."""
        here = self._rooms.get(room)
        if here is None or here[-1] <= after or here[0] > upto:
            return []
        found: list[Position] = []
        for position in reversed(here) if backwards else here:
            if after < position <= upto:
                found.append(position)
                if len(found) == limit:
                    break
        return found

    def last_in_room(self, room: int) -> Position:
        """Return the position of the last recent event of a room, 0 if there is none."""
        here = self._rooms.get(room)
        return 0 if here is None else here[-1]

    def committed(self, batches: Sequence[Batch]) -> None:
        """Take note of what was committed."""
        for batch in batches:
            for write in batch.writes:
                if kind_of(write) is RecentEvent:
                    self._add(write[_EVENT_ID], (write[_POSITION], write[_ROOM]))

    def moved(self, upto: Position) -> None:
        """Forget the events up to a position: they are in `events` now."""
        later = list(takewhile(lambda item: item[1][0] > upto, reversed(self._found.items())))
        self._found.clear()
        self._rooms.clear()
        for event_id, where in reversed(later):
            self._add(event_id, where)

    def _add(self, event_id: str, where: tuple[Position, int]) -> None:
        self._found[event_id] = where
        position, room = where
        here = self._rooms.get(room)
        if here is None:
            self._rooms[room] = [position]
        else:
            here.append(position)


class Mover:
    """Decides, on the journal's thread, when to move, and moves."""

    def __init__(self, waiting: int) -> None:
        """`waiting` rows are there already."""
        self._waiting = waiting

    def is_due(self, batches: Sequence[Batch]) -> bool:
        """Take note of a commit; return whether it is time to move.

        The busier the server, the more rows share a move, while somebody who writes alone never waits for a long one.
        """
        self._waiting += sum(kind_of(write) is RecentEvent for batch in batches for write in batch.writes)
        return self._waiting >= min(max(MIN_MOVED, COMMITS_PER_MOVE * len(batches)), MAX_MOVED)

    def move(self, connection: sqlite3.Connection) -> Position:
        """Move all there is and return its last position. Raises `sqlite3.Error`, and then nothing has moved."""
        self._waiting = 0  # also if it fails: the next try comes after as many commits again
        connection.execute("BEGIN IMMEDIATE")
        try:
            last: Position | None = connection.execute("SELECT max(position) FROM recent_events").fetchone()[
                0
            ]
            for statement in MOVE:
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return last or 0
