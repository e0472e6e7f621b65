"""Rooms on SQLite: statements of the writes, and the readers of `hamrasan.storage.ports.rooms`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.event import StateKey
from hamrasan.storage.ports import rooms as port
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import MembershipRow, Notable, RoomRow, StoredEvent, TransactionRow
from hamrasan.storage.sqlite.database import Database, Row
from hamrasan.storage.sqlite.invitations import SqliteInvitations, latest
from hamrasan.storage.sqlite.recent_events import RecentEvent, RecentEvents

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.NewRoom: "INSERT INTO rooms (room, room_id, version, creator, position) VALUES (?, ?, ?, ?, ?)",
    port.StoredEvent: "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    RecentEvent: "INSERT INTO recent_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    port.StateVersion: (
        "INSERT INTO state_versions (room, type, state_key, position, event_position) VALUES (?, ?, ?, ?, ?)"
    ),
    port.PutMembership: (
        "INSERT INTO memberships (room, user_id, membership, position, event_id, sender, first)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (room, user_id) DO UPDATE SET membership = excluded.membership, position = excluded.position,"
        " event_id = excluded.event_id, sender = excluded.sender, forgotten = 0"
    ),
    port.ForgetRoom: "UPDATE memberships SET forgotten = ? WHERE room = ? AND user_id = ?",
    port.ThreadActivity: (
        "INSERT INTO threads (room, root, latest, replies) VALUES (?, ?, ?, 1)"
        " ON CONFLICT (room, root) DO UPDATE SET latest = excluded.latest, replies = threads.replies + 1"
    ),
    port.RedactEvent: (
        "UPDATE events SET content = ?, redacted_by = ? WHERE position = ?",
        "UPDATE recent_events SET content = ?, redacted_by = ? WHERE position = ?",
    ),
    port.PutAlias: "INSERT INTO room_aliases (alias, room, creator) VALUES (?, ?, ?)",
    port.DeleteAlias: "DELETE FROM room_aliases WHERE alias = ?",
    port.MoveAliases: "UPDATE room_aliases SET room = ? WHERE room = ?",
    port.PublishRoom: "INSERT INTO published_rooms (room) VALUES (?) ON CONFLICT (room) DO NOTHING",
    port.UnpublishRoom: "DELETE FROM published_rooms WHERE room = ?",
    port.NewReport: (
        "INSERT INTO reports (created_ts, reporter, room_id, event_id, user_id, reason, score)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
    ),
}

APPENDS: frozenset[type] = frozenset({port.StoredEvent, RecentEvent, port.StateVersion, port.NewReport})
"""Rows that no other write of the same commit reads or changes, but for `AFTER_APPENDS`."""

AFTER_APPENDS: frozenset[type] = frozenset({port.RedactEvent})
"""Writes that change rows which the same commit may have brought: a message and its redaction arrive together."""

_EVENT_BUT_POSITION = (
    "e.room, e.event_id, e.type, e.state_key, e.sender, e.origin_server_ts, e.depth, e.content, e.envelope,"
    " e.replaces, e.flags, e.relates_to, e.rel_type, e.txn_device, e.txn_id, e.redacted_by"
)
_EVENT = "e.position, " + _EVENT_BUT_POSITION
SELECT_EVENT = "SELECT " + _EVENT + " FROM events e "
_SELECT_ANY = "SELECT " + _EVENT + " FROM all_events e "
_AT_LATEST = (
    "JOIN state_versions s ON s.event_position = e.position JOIN (SELECT room, type, state_key,"
    " max(position) AS position FROM state_versions WHERE room = ? AND +position <= ?"
)
"""With the sign, the key (room, type, state_key, position) is followed, not the index by position over all changes."""
_AT_GROUP = (
    " GROUP BY room, type, state_key) v ON s.room = v.room AND s.type = v.type AND s.state_key = v.state_key"
    " AND s.position = v.position ORDER BY e.position"
)
_FOLLOWING = """
    SELECT r.room_id, e.* FROM (
        SELECT * FROM (
            SELECT * FROM events WHERE position > ?1 AND position <= ?2 AND flags < 32 ORDER BY position LIMIT ?3
        )
        UNION ALL SELECT * FROM (
            SELECT * FROM recent_events WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3
        )
    ) e JOIN rooms r ON r.room = e.room ORDER BY e.position LIMIT ?3"""
_LATEST = """
    SELECT position FROM (
        SELECT * FROM (
            SELECT position FROM events WHERE room = ?1 AND position <= ?2 AND flags < 32
            ORDER BY position DESC LIMIT ?3 + 1
        )
        UNION ALL SELECT position FROM recent_events WHERE room = ?1 AND position <= ?2
    ) ORDER BY position DESC LIMIT 1 OFFSET ?3"""
_TRANSACTIONS = """
    SELECT sender, txn_device, txn_id FROM (
        SELECT position, sender, txn_device, txn_id FROM events
        WHERE room = ?1 AND position > ?2 AND position <= ?3 AND flags < 32 AND txn_id IS NOT NULL
        UNION ALL
        SELECT position, sender, txn_device, txn_id FROM recent_events
        WHERE room = ?1 AND position > ?2 AND position <= ?3 AND txn_id IS NOT NULL
    ) ORDER BY position"""
_MADE_BY = """
    SELECT * FROM (
        SELECT position, event_id FROM events WHERE room = ?1 AND position <= ?2 AND flags < 32
        AND sender = ?3 AND txn_device = ?4 AND txn_id = ?5 ORDER BY position DESC LIMIT 1
    )
    UNION ALL
    SELECT position, event_id FROM recent_events WHERE room = ?1 AND position <= ?2
    AND sender = ?3 AND txn_device = ?4 AND txn_id = ?5"""
_LAST_OWN = """
    SELECT max(
        ifnull((
            SELECT position FROM events WHERE room = ?1 AND position > ?2 AND position <= ?3 AND flags < 32
            AND sender = ?4 AND rel_type IS NULL ORDER BY position DESC LIMIT 1
        ), 0),
        ifnull((
            SELECT position FROM recent_events WHERE room = ?1 AND position > ?2 AND position <= ?3 AND sender = ?4
            ORDER BY position DESC LIMIT 1
        ), 0)
    )"""
_NOTABLE = """
    SELECT * FROM events WHERE room = ?1 AND position > ?2 AND position <= ?3 AND flags < 32
    AND (flags NOT IN (0, ?5) OR rel_type IS NOT NULL AND (flags <> 0 OR sender = ?4))
    UNION ALL
    SELECT * FROM recent_events WHERE room = ?1 AND position > ?2 AND position <= ?3 AND flags NOT IN (0, ?5)"""
"""Events of the table for recent ones relate to nothing."""
_COUNT_PLAIN = """
    SELECT count(*) FROM events WHERE room = ?1 AND position > ?2 AND position <= ?3 AND flags < 32 AND flags = ?4
    AND rel_type IS NULL AND redacted_by IS NULL AND sender NOT IN (SELECT value FROM json_each(?5))
    UNION ALL
    SELECT count(*) FROM recent_events WHERE room = ?1 AND position > ?2 AND position <= ?3 AND flags = ?4
    AND redacted_by IS NULL AND sender NOT IN (SELECT value FROM json_each(?5))"""
_MEMBERSHIP = (
    "SELECT m.room, r.room_id, m.user_id, m.membership, m.position, m.event_id, m.sender, m.forgotten"
    " FROM memberships m JOIN rooms r ON r.room = m.room "
)
_OF_TYPE = (
    "JOIN (SELECT state_key, max(position) AS position FROM state_versions WHERE room = ?1 AND type = ?2"
    " GROUP BY state_key ORDER BY state_key LIMIT ?3) v"
    " JOIN state_versions s ON s.room = ?1 AND s.type = ?2 AND s.state_key = v.state_key AND s.position = v.position"
    " WHERE e.position = s.event_position ORDER BY v.state_key"
)
_MUTUAL = (
    "SELECT r.room, r.room_id FROM memberships ours"
    " JOIN memberships theirs ON theirs.room = ours.room AND theirs.user_id = ? AND theirs.membership = 'join'"
    " JOIN rooms r ON r.room = ours.room"
    " WHERE ours.user_id = ? AND ours.membership = 'join' ORDER BY r.room"
)
_VERSIONS = (
    "SELECT CASE WHEN e.position < 0 THEN e.position ELSE s.position END, "
    + _EVENT_BUT_POSITION
    + " FROM events e JOIN state_versions s ON s.event_position = e.position"
    " WHERE s.room = ? AND s.type = ? AND s.state_key = ? ORDER BY 1"
)
"""What was sent before this server came, and has its place there, was the state from then on."""
_FAR = 2**62
"""A position that no journal comes to; below zero, one that no history goes back to."""
_CHUNK = 500
"""Values in one `IN (...)`: below the parameter limit of every SQLite build."""
NEAREST_WINDOW = 100
"""Events on each side that `nearest` looks at, since clocks of other servers may disagree with the order of arrival."""


def events_of(rows: Iterable[Row]) -> list[StoredEvent]:
    return [StoredEvent._make(row) for row in rows]


def chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


def marks(count: int) -> str:
    return "(" + ", ".join("?" * count) + ")"


class SqliteEvents:
    """Reads events."""

    def __init__(self, database: Database, recent: RecentEvents) -> None:
        self._database = database
        self._recent = recent

    async def by_id(self, event_id: str) -> StoredEvent | None:
        """Return the event with this id."""
        position = self._recent.position_of(event_id)
        if position is not None:
            row = self._database.get(_SELECT_ANY + "WHERE e.position = ?", (position,))
        else:
            # Without the sign SQLite puts the value in the place of the column everywhere, and finds no index.
            sql = SELECT_EVENT + "WHERE substr(e.event_id, 2, 8) = substr(?1, 2, 8) AND +e.event_id = ?1"
            row = self._database.get(sql, (event_id,))
        return None if row is None else StoredEvent._make(row)

    async def by_ids(self, event_ids: Sequence[str]) -> list[StoredEvent]:
        """Return those of the events that exist, in the order of position."""
        positions = {event_id: self._recent.position_of(event_id) for event_id in event_ids}
        events = await self.by_positions(
            [position for position in positions.values() if position is not None]
        )
        for chunk in chunks([event_id for event_id, position in positions.items() if position is None]):
            values = marks(len(chunk))
            sql = (
                SELECT_EVENT + "WHERE substr(e.event_id, 2, 8) IN " + values + " AND +e.event_id IN " + values
            )
            events += events_of(self._database.rows(sql, [i[1:9] for i in chunk] + list(chunk)))
        return sorted(events)

    async def by_positions(self, positions: Sequence[Position]) -> list[StoredEvent]:
        """Return the events at these positions."""
        events: list[StoredEvent] = []
        for chunk in chunks(sorted(positions)):
            sql = _SELECT_ANY + "WHERE e.position IN " + marks(len(chunk)) + " ORDER BY e.position"
            events += events_of(
                self._database.rows(sql, chunk)
                if len(positions) <= _CHUNK
                else await self._database.scan(sql, chunk)
            )
        return events

    async def page(
        self, room: int, after: Position, upto: Position, limit: int, *, backwards: bool
    ) -> list[StoredEvent]:
        """Return at most `limit` events with after < position <= upto."""
        return self._page(room, after, upto, limit, backwards=backwards)

    def _page(
        self, room: int, after: Position, upto: Position, limit: int, *, backwards: bool
    ) -> list[StoredEvent]:
        recent = self._recent.in_room(room, after, upto, limit, backwards=backwards)
        if len(recent) == limit:  # what lies beyond the last of them is not wanted
            after, upto = (max(after, recent[-1]), upto) if backwards else (after, min(upto, recent[-1]))
        order = "ORDER BY e.position DESC LIMIT ?" if backwards else "ORDER BY e.position LIMIT ?"
        sql = (
            SELECT_EVENT + "WHERE e.room = ? AND e.position > ? AND e.position <= ? AND e.flags < 32 " + order
        )
        found = self._database.rows(sql, (room, after, upto, limit))
        if recent:
            # By position, since some may have been moved and found already.
            both = {row[0]: row for row in found}
            for chunk in chunks(recent):
                sql = _SELECT_ANY + "WHERE e.position IN " + marks(len(chunk))
                both.update((row[0], row) for row in self._database.rows(sql, chunk))
            found = [both[position] for position in sorted(both, reverse=backwards)][:limit]
        return events_of(found)

    async def following(self, after: Position, upto: Position, limit: int) -> list[tuple[str, StoredEvent]]:
        """Return the next events of all rooms, each with its room's id."""
        return await self._database.scan(_FOLLOWING, (after, upto, limit), _with_room_id)

    async def head(self, room: int) -> Position:
        """Return the position of the room's last event."""
        row = self._database.get("SELECT max(position) FROM events WHERE room = ? AND flags < 32", (room,))
        return max(row[0] or 0 if row else 0, self._recent.last_in_room(room))

    async def transactions(self, room: int, upto: Position, count: int) -> list[TransactionRow]:
        """Return which requests made the room's last events, the oldest first."""
        after = await self.latest(room, upto, count)
        return await self._database.scan(_TRANSACTIONS, (room, after, upto), TransactionRow._make)

    async def made_by(
        self, room: int, upto: Position, sender: str, device_id: str, txn_id: str
    ) -> str | None:
        """Return the id of the room's last event up to `upto` that a request made."""
        rows = await self._database.scan(_MADE_BY, (room, upto, sender, device_id, txn_id))
        return max(rows)[1] if rows else None

    async def latest(self, room: int, upto: Position, count: int) -> Position:
        """Return after which position the room has `count` events up to `upto`."""
        rows = await self._database.scan(_LATEST, (room, upto, count))
        return rows[0][0] if rows else 0

    async def last_own(self, room: int, after: Position, upto: Position, sender: str) -> Position:
        """Return the position of a user's last event that relates to none."""
        ((own,),) = await self._database.scan(_LAST_OWN, (room, after, upto, sender))
        return int(own)

    async def notable(self, room: int, after: Position, upto: Position, reader: str) -> Notable:
        """Return what matters one by one to a reader's unread count."""
        own = await self.last_own(room, after, upto, reader)
        values = (room, after, upto, reader, port.NOTIFIES)
        return Notable(own, sorted(await self._database.scan(_NOTABLE, values, StoredEvent._make)))

    async def count_plain(self, room: int, after: Position, upto: Position, not_of: Collection[str]) -> int:
        """Return the number of plain messages of others."""
        senders = encode_json(list(not_of)).decode()
        rows = await self._database.scan(_COUNT_PLAIN, (room, after, upto, port.NOTIFIES, senders))
        return sum(count for (count,) in rows)

    async def nearest(self, room: int, ts: int, *, backwards: bool) -> StoredEvent | None:
        """Return the event whose timestamp is nearest to `ts`, on the asked side.

        Positions grow with time but for the clocks of other servers: bisect on the room's index, then look around.
        """
        middle = self._first_position_at(room, ts)
        around = self._page(room, middle - 1, _FAR, NEAREST_WINDOW, backwards=False)
        around += self._page(room, -_FAR, middle - 1, NEAREST_WINDOW, backwards=True)
        if backwards:
            before = [event for event in around if event.origin_server_ts <= ts]
            return max(before, key=lambda event: (event.origin_server_ts, event.position), default=None)
        later = [event for event in around if event.origin_server_ts >= ts]
        return min(later, key=lambda event: (event.origin_server_ts, event.position), default=None)

    def _first_position_at(self, room: int, ts: int) -> Position:
        first = self._page(room, -_FAR, _FAR, 1, backwards=False)
        if not first:
            return 0
        last = self._page(room, -_FAR, _FAR, 1, backwards=True)
        low, high = first[0].position, last[0].position + 1
        while low < high:
            middle = (low + high) // 2
            after = self._page(room, middle - 1, _FAR, 1, backwards=False)
            if not after or after[0].origin_server_ts >= ts:
                high = middle
            else:
                low = after[0].position + 1
        return low


class SqliteState:
    """Reads the state of rooms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self, room: int) -> list[StoredEvent]:
        """Return the current state events other than memberships."""
        return await self.at(room, _FAR, members=False)

    async def at(
        self, room: int, position: Position, keys: Sequence[StateKey] | None = None, *, members: bool = True
    ) -> list[StoredEvent]:
        """Return the state events as they were at `position`."""
        if keys is not None:
            return self._at_keys(room, position, keys)
        if members:
            return await self._database.scan(
                SELECT_EVENT + _AT_LATEST + _AT_GROUP, (room, position), StoredEvent._make
            )
        # Two ranges around the memberships, so that a large room's are not even read.
        events: list[StoredEvent] = []
        for side in (" AND type < 'm.room.member'", " AND type > 'm.room.member'"):
            events += events_of(
                self._database.rows(SELECT_EVENT + _AT_LATEST + side + _AT_GROUP, (room, position))
            )
        return sorted(events)

    def _at_keys(self, room: int, position: Position, keys: Sequence[StateKey]) -> list[StoredEvent]:
        sql = SELECT_EVENT + (
            "WHERE e.position = (SELECT event_position FROM state_versions WHERE room = ? AND type = ?"
            " AND state_key = ? AND position <= ? ORDER BY position DESC LIMIT 1)"
        )
        rows = (self._database.get(sql, (room, type, key, position)) for type, key in keys)
        return events_of(row for row in rows if row is not None)

    async def members_at(self, room: int, position: Position) -> list[StoredEvent]:
        """Return the memberships as they were at `position`."""
        only = " AND type = 'm.room.member'"
        return await self._database.scan(
            SELECT_EVENT + _AT_LATEST + only + _AT_GROUP, (room, position), StoredEvent._make
        )

    async def versions(self, room: int, type: str, state_key: str) -> list[StoredEvent]:
        """Return every event that was ever the state under one key, each with the position from which on it was."""
        return events_of(self._database.rows(_VERSIONS, (room, type, state_key)))

    async def has_changed(self, room: int, after: Position, upto: Position) -> bool:
        """Return whether any state event came in between."""
        sql = "SELECT 1 FROM state_versions WHERE room = ? AND position > ? AND position <= ? LIMIT 1"
        return self._database.get(sql, (room, after, upto)) is not None

    async def changes(self, room: int, after: Position, upto: Position) -> list[StoredEvent]:
        """Return, for each key that changed, its last event up to `upto`."""
        sql = SELECT_EVENT + (
            "JOIN state_versions s ON s.event_position = e.position"
            " WHERE s.room = ? AND s.position > ? AND s.position <= ? ORDER BY s.position"
        )
        last = {
            (e.type, e.state_key): e
            for e in await self._database.scan(sql, (room, after, upto), StoredEvent._make)
        }
        return sorted(last.values())

    async def of_type(self, room: int, type: str, limit: int) -> list[StoredEvent]:
        """Return the current state events of one type, at most `limit` of them, in the order of state keys."""
        return await self._database.scan(SELECT_EVENT + _OF_TYPE, (room, type, limit), StoredEvent._make)


class SqliteRooms:
    """Reads what is known of rooms besides events and state."""

    def __init__(self, database: Database, outside: SqliteInvitations) -> None:
        self._database = database
        self._outside = outside

    async def rooms(self, room_ids: Sequence[str]) -> list[RoomRow]:
        """Return those of the rooms that this store has."""
        rows: list[RoomRow] = []
        for chunk in chunks(room_ids):
            sql = "SELECT room, room_id, version, creator FROM rooms WHERE room_id IN " + marks(len(chunk))
            rows += map(RoomRow._make, self._database.rows(sql, chunk))
        return rows

    async def page(self, after: int, limit: int) -> list[RoomRow]:
        """Return at most `limit` rooms with numbers above `after`, in the order of numbers."""
        sql = "SELECT room, room_id, version, creator FROM rooms WHERE room > ? ORDER BY room LIMIT ?"
        return [RoomRow._make(row) for row in self._database.rows(sql, (after, limit))]

    async def last_room(self) -> int:
        """Return the highest room number given so far."""
        row = self._database.get("SELECT max(room) FROM rooms")
        return row[0] or 0 if row else 0

    async def members(self, room: int) -> list[MembershipRow]:
        """Return the current membership of everybody who ever had one, those first who came first."""
        sql = _MEMBERSHIP + "WHERE m.room = ? ORDER BY m.first, m.user_id"
        return await self._database.scan(sql, (room,), _membership)

    async def memberships(self, user_id: str) -> list[MembershipRow]:
        """Return a user's current memberships, of every kind; also of rooms that are known from outside only."""
        few = self._database.rows(_MEMBERSHIP + "WHERE m.user_id = ? LIMIT ?", (user_id, _CHUNK))
        if len(few) < _CHUNK:
            rows = _memberships(few)
        else:
            rows = await self._database.scan(_MEMBERSHIP + "WHERE m.user_id = ?", (user_id,), _membership)
        outside = self._outside.of_user(user_id)
        return latest(rows, outside) if outside else rows

    async def places(self, user_id: str) -> list[MembershipRow]:
        """Return what `memberships` does, for whom it may be long."""
        return await self._database.scan(_MEMBERSHIP + "WHERE m.user_id = ?", (user_id,), _membership)

    async def membership(self, room: int, user_id: str) -> str | None:
        """Return a user's current membership of one room, None if they never had one."""
        sql = "SELECT membership FROM memberships WHERE room = ? AND user_id = ?"
        row = self._database.get(sql, (room, user_id))
        return None if row is None else row[0]

    async def mutual(self, user_id: str, other: str) -> list[tuple[int, str]]:
        """Return number and id of every room that both users are in, by number."""
        return await self._database.scan(_MUTUAL, (other, user_id), lambda row: (row[0], row[1]))

    async def joined(self, room: int) -> int:
        """Return how many users are in a room."""
        sql = "SELECT count(*) FROM memberships WHERE room = ? AND membership = 'join'"
        ((count,),) = await self._database.scan(sql, (room,))
        return int(count)

    async def alias(self, alias: str) -> tuple[RoomRow, str] | None:
        """Return the room of an alias, and who made it."""
        row = self._database.get(
            "SELECT r.room, r.room_id, r.version, r.creator, a.creator FROM room_aliases a"
            " JOIN rooms r ON r.room = a.room WHERE a.alias = ?",
            (alias,),
        )
        return None if row is None else (RoomRow._make(row[:4]), row[4])

    async def aliases(self, room: int) -> list[str]:
        """Return the local aliases of a room."""
        rows = self._database.rows("SELECT alias FROM room_aliases WHERE room = ? ORDER BY alias", (room,))
        return [alias for (alias,) in rows]

    async def published(self) -> list[tuple[RoomRow, int]]:
        """Return every listed room, and how many users are in it."""
        sql = (
            "SELECT r.room, r.room_id, r.version, r.creator, (SELECT count(*) FROM memberships m"
            " WHERE m.room = p.room AND m.membership = 'join') FROM published_rooms p JOIN rooms r ON r.room = p.room"
        )
        return [(RoomRow._make(row[:4]), row[4]) for row in await self._database.scan(sql)]

    async def is_published(self, room: int) -> bool:
        """Return whether the room is listed in the directory."""
        return self._database.get("SELECT 1 FROM published_rooms WHERE room = ?", (room,)) is not None


def _with_room_id(row: Row) -> tuple[str, StoredEvent]:
    return row[0], StoredEvent._make(row[1:])


def _memberships(rows: Iterable[Row]) -> list[MembershipRow]:
    return list(map(_membership, rows))


def _membership(row: Row) -> MembershipRow:
    return MembershipRow._make((*row[:7], bool(row[7])))
