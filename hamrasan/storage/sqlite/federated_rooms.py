"""Rooms that other servers are in, on SQLite: statements of the writes, and the reader of the port."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.event import StateKey
from hamrasan.storage.ports import federated_rooms as port
from hamrasan.storage.ports.federated_rooms import BranchRow, FederatedRoomRow, SideEvent
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent
from hamrasan.storage.sqlite.database import Database, Row
from hamrasan.storage.sqlite.recent_events import RecentEvents
from hamrasan.storage.sqlite.rooms import SELECT_EVENT, chunks, events_of, marks

_INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.HistoryEvent: _INSERT_EVENT,
    port.OutsideEvent: _INSERT_EVENT,
    port.MoveEvent: (
        "UPDATE state_versions SET event_position = ?1"
        " WHERE room = ?2 AND type = ?3 AND state_key = ?4 AND event_position = ?5",
        "UPDATE events SET replaces = ?1 WHERE replaces = ?5 AND position IN"
        " (SELECT event_position FROM state_versions WHERE room = ?2 AND type = ?3 AND state_key = ?4)",
        "DELETE FROM events WHERE position = ?5 AND room = ?2",
    ),
    port.SideEvent: "INSERT OR REPLACE INTO side_events (event_id, room, kind, pdu) VALUES (?, ?, ?, ?)",
    port.DropSideEvent: "DELETE FROM side_events WHERE event_id = ?",
    port.BranchState: (
        "INSERT INTO branch_states (event_id, room, position, delta) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (event_id) DO UPDATE SET position = excluded.position, delta = excluded.delta"
    ),
    port.AddExtremity: "INSERT INTO forward_extremities (room, event_id, depth) VALUES (?, ?, ?)",
    port.DropExtremities: "DELETE FROM forward_extremities WHERE room = ?",
    port.PutFederatedRoom: (
        "INSERT INTO federated_rooms (room, seeded, forked, flipped, missing, awaited) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (room) DO UPDATE SET seeded = excluded.seeded, forked = excluded.forked,"
        " flipped = excluded.flipped, missing = excluded.missing, awaited = excluded.awaited"
    ),
    port.DropMembership: "DELETE FROM memberships WHERE room = ? AND user_id = ?",
    port.PendingRedaction: (
        "INSERT INTO pending_redactions (room, target, redaction) VALUES (?, ?, ?)"
        " ON CONFLICT (room, target) DO NOTHING"
    ),
    port.DropPendingRedaction: "DELETE FROM pending_redactions WHERE room = ? AND target = ?",
}

APPENDS: frozenset[type] = frozenset({port.HistoryEvent, port.OutsideEvent, port.SideEvent})
"""Rows that no other write of the same commit reads or changes, but for `AFTER_APPENDS`."""
AFTER_APPENDS: frozenset[type] = frozenset({port.MoveEvent, port.DropSideEvent})

_CHANGED_KEYS = (
    "SELECT DISTINCT type, state_key FROM state_versions WHERE room = ? AND position > ? AND position <= ?"
)
_FLIPPED_MEMBERS = (
    "SELECT state_key, position, event_position FROM state_versions"
    " WHERE room = ? AND type = 'm.room.member' AND position <> event_position ORDER BY position"
)


class SqliteFederatedRooms:
    """Reads what is special about rooms that other servers are in."""

    def __init__(self, database: Database, recent: RecentEvents) -> None:
        self._database = database
        self._recent = recent

    async def room(self, room: int) -> FederatedRoomRow | None:
        """Return what is special about a room."""
        row = self._database.get(
            "SELECT seeded, forked, flipped, missing, awaited FROM federated_rooms WHERE room = ?", (room,)
        )
        extremities = self._database.rows(
            "SELECT event_id, depth FROM forward_extremities WHERE room = ? ORDER BY depth, event_id", (room,)
        )
        pending = self._database.rows(
            "SELECT target, redaction FROM pending_redactions WHERE room = ?", (room,)
        )
        if row is None and not extremities and not pending:
            return None
        seeded, forked, flipped, missing, awaited = row or (0, 0, 0, b"[]", b"[]")
        return FederatedRoomRow(
            seeded,
            forked,
            flipped,
            tuple(parse_json(missing)),
            tuple(parse_json(awaited)),
            tuple((event_id, depth) for event_id, depth in extremities),
            dict(pending),
        )

    async def branches(self, event_ids: Sequence[str]) -> dict[str, BranchRow]:
        """Return the states after those events that have one of their own."""
        found: dict[str, BranchRow] = {}
        for chunk in chunks(event_ids):
            sql = "SELECT event_id, position, delta FROM branch_states WHERE event_id IN " + marks(len(chunk))
            for event_id, position, delta in self._database.rows(sql, chunk):
                changes: dict[StateKey, str | None] = {
                    (type_, state_key): changed for type_, state_key, changed in parse_json(delta)
                }
                found[event_id] = BranchRow(position, changes)
        return found

    async def side_events(self, event_ids: Sequence[str]) -> list[SideEvent]:
        """Return those of the events that are kept beside a room."""
        found: list[SideEvent] = []
        for chunk in chunks(event_ids):
            sql = "SELECT event_id, room, kind, pdu FROM side_events WHERE event_id IN " + marks(len(chunk))
            found += map(SideEvent._make, self._database.rows(sql, chunk))
        return found

    async def flipped_members(self, room: int) -> list[tuple[str, Position, Position]]:
        """Return each membership that became the state later than it was sent."""
        return await self._database.scan(_FLIPPED_MEMBERS, (room,), lambda row: (row[0], row[1], row[2]))

    async def changed_keys(self, room: int, after: Position, upto: Position) -> list[StateKey]:
        """Return the keys of the state that changed."""
        return await self._database.scan(_CHANGED_KEYS, (room, after, upto), lambda row: (row[0], row[1]))

    async def auth_events(self, event_ids: Collection[str]) -> dict[str, tuple[int, Sequence[str]]]:
        """Return the room's number and the auth events of those events that exist."""
        found: dict[str, tuple[int, Sequence[str]]] = {}
        positions = [p for event_id in event_ids if (p := self._recent.position_of(event_id)) is not None]
        for chunk in chunks(positions):
            sql = "SELECT event_id, room, envelope FROM all_events WHERE position IN " + marks(len(chunk))
            found.update(await self._database.scan(sql, chunk, _cited))
        for chunk in chunks(list(event_ids)):
            sql = (
                "SELECT event_id, room, envelope FROM events WHERE substr(event_id, 2, 8) IN "
                + marks(len(chunk))
                + " AND +event_id IN "
                + marks(len(chunk))
                + " UNION ALL SELECT event_id, room, pdu FROM side_events WHERE event_id IN "
                + marks(len(chunk))
            )
            parameters = [event_id[1:9] for event_id in chunk] + list(chunk) * 2
            found.update(await self._database.scan(sql, parameters, _cited))
        return found

    async def outside(self, room: int, after: Position, limit: int) -> list[StoredEvent]:
        """Return events outside the timeline, in the order of positions."""
        sql = SELECT_EVENT + (
            "WHERE e.room = ? AND e.position > ? AND e.flags >= 32 ORDER BY e.position LIMIT ?"
        )
        return events_of(self._database.rows(sql, (room, after, limit)))

    async def all_side_events(self, room: int, after: str, limit: int) -> list[SideEvent]:
        """Return events beside a room, in the order of ids."""
        sql = (
            "SELECT event_id, room, kind, pdu FROM side_events WHERE room = ? AND event_id > ?"
            " ORDER BY event_id LIMIT ?"
        )
        return [SideEvent._make(row) for row in self._database.rows(sql, (room, after, limit))]

    async def lowest_position(self) -> Position:
        """Return the lowest position that any event has."""
        row = self._database.get("SELECT min(position) FROM events")
        return row[0] or 0 if row else 0


def _cited(row: Row) -> tuple[str, tuple[int, Sequence[str]]]:
    return row[0], (row[1], parse_json(row[2])["auth_events"])
