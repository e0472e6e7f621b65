"""The exchange with other servers on SQLite: statements, and the reader of `hamrasan.storage.ports.exchange`."""

from __future__ import annotations

from collections.abc import Collection

from hamrasan.storage.ports import exchange as port
from hamrasan.storage.ports.exchange import (
    NewsOfRooms,
    PutLag,
    RoomServerRow,
    ServerMessageRow,
    StagedPdu,
)
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import FORWARD
from hamrasan.storage.ports.user_data import READ, ReceiptChanged
from hamrasan.storage.sqlite.database import Database
from hamrasan.storage.sqlite.rooms import marks

STATEMENTS: dict[type, str] = {
    port.PutRoomServer: (
        "INSERT INTO room_servers (room, server, joined, position, since) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (room, server) DO UPDATE SET joined = excluded.joined, position = excluded.position,"
        " since = excluded.since"
    ),
    port.PutLag: (
        "INSERT INTO lagging_servers (server, sent_upto) VALUES (?, ?)"
        " ON CONFLICT (server) DO UPDATE SET sent_upto = excluded.sent_upto"
    ),
    port.DropLag: "DELETE FROM lagging_servers WHERE server = ?",
    port.NewServerMessage: (
        "INSERT INTO server_messages (server, position, number, content) VALUES (?, ?, ?, ?)"
    ),
    port.DropServerMessages: (
        "DELETE FROM server_messages WHERE server = ?1 AND (position < ?2 OR (position = ?2 AND number <= ?3))"
    ),
    port.StagePdu: "INSERT INTO staged_pdus (lot, origin, room_id, pdu) VALUES (?, ?, ?, ?)",
    port.UnstagePdus: "DELETE FROM staged_pdus WHERE lot = ?",
}

APPENDS: frozenset[type] = frozenset({port.NewServerMessage, port.StagePdu})
AFTER_APPENDS: frozenset[type] = frozenset({port.DropServerMessages, port.UnstagePdus})

MAX_SPAN = 100_000
"""Positions that are looked through for all events that a server lacks, in a reader thread (a tenth of a second); who
has been away for longer gets the latest of each room."""

_TO_BE_TOLD = (
    " e.position > ?2 AND e.position <= ?3 AND e.flags < 32 AND (e.sender LIKE ?4 OR e.flags & ?5 <> 0)"
    " AND e.position >= s.since AND (s.joined = 1 OR e.position <= s.position)"
)
_ALL = (
    "SELECT e.position FROM room_servers s JOIN events e ON e.room = s.room"
    " WHERE s.server = ?1 AND" + _TO_BE_TOLD + " UNION ALL"
    " SELECT e.position FROM room_servers s JOIN recent_events e ON e.room = s.room"
    " WHERE s.server = ?1 AND" + _TO_BE_TOLD + " ORDER BY 1 LIMIT ?6"
)
_LATEST = (
    "SELECT max(position) FROM (SELECT s.room, (SELECT e.position FROM events e WHERE e.room = s.room AND"
    + _TO_BE_TOLD
    + " ORDER BY e.position DESC LIMIT 1) AS position FROM room_servers s WHERE s.server = ?1"
    " UNION ALL"
    " SELECT e.room, e.position FROM room_servers s JOIN recent_events e ON e.room = s.room"
    " WHERE s.server = ?1 AND" + _TO_BE_TOLD + ") WHERE position IS NOT NULL GROUP BY room ORDER BY 1"
)
_RECEIPTS = (
    "SELECT r.position, rooms.room_id, r.user_id, r.type, r.thread_id, r.event_id, r.ts, r.event_position, r.room"
    " FROM receipts r JOIN rooms ON rooms.room = r.room"
    " WHERE r.room IN (SELECT room FROM room_servers"
    " WHERE joined = 1 AND server <> ?1 AND server = coalesce(?2, server))"
    " AND r.position > ?3 AND r.position <= ?4 AND r.type = ?5 AND r.user_id LIKE ?6"
    " ORDER BY r.position DESC LIMIT ?7"
)
_SERVERS_OF_USER = (
    "SELECT DISTINCT s.server FROM memberships m JOIN room_servers s ON s.room = m.room AND s.joined = 1"
    " WHERE m.user_id = ? AND m.membership = 'join' ORDER BY s.server"
)


class SqliteExchange:
    """Reads what is still to be exchanged."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def room_servers(self, room: int) -> list[RoomServerRow]:
        """Return which servers are in a room, or were."""
        sql = "SELECT server, joined, position, since FROM room_servers WHERE room = ?"
        rows = self._database.rows(sql, (room,))
        return [RoomServerRow(server, bool(joined), *positions) for server, joined, *positions in rows]

    async def room_ids(self, rooms: Collection[int]) -> dict[int, str]:
        """Return the ids of rooms by their numbers."""
        sql = "SELECT room, room_id FROM rooms WHERE room IN " + marks(len(rooms))
        return dict(self._database.rows(sql, list(rooms)))

    async def has_remote_rooms(self, own: str) -> bool:
        """Return whether any server but `own` is in any room."""
        sql = "SELECT 1 FROM room_servers WHERE joined = 1 AND server <> ? LIMIT 1"
        return bool(await self._database.scan(sql, (own,)))

    async def servers(self, own: str, most: int) -> list[str]:
        """Return at most so many servers but `own` that are in any room."""
        sql = "SELECT DISTINCT server FROM room_servers WHERE joined = 1 AND server <> ? LIMIT ?"
        return [server for (server,) in await self._database.scan(sql, (own, most))]

    async def servers_of_user(self, user_id: str) -> list[str]:
        """Return the servers that are in rooms with a user, by name."""
        return [server for (server,) in await self._database.scan(_SERVERS_OF_USER, (user_id,))]

    async def lags(self) -> list[PutLag]:
        """Return all servers that lag behind, and how far."""
        sql = "SELECT server, sent_upto FROM lagging_servers ORDER BY server"
        return await self._database.scan(sql, (), PutLag._make)

    async def news_of_rooms(
        self, server: str, own: str, after: Position, upto: Position, most: int
    ) -> NewsOfRooms:
        """Return the events that a server is to have from `own`, in order."""
        values = (server, after, upto, "%:" + own, FORWARD)
        if upto - after <= MAX_SPAN:
            rows = await self._database.scan(_ALL, (*values, most + 1))
            if len(rows) <= most:
                return NewsOfRooms([position for (position,) in rows], are_all=True)
        rows = await self._database.scan(_LATEST, values)
        return NewsOfRooms([position for (position,) in rows], are_all=False)

    async def receipts(
        self, own: str, after: Position, upto: Position, most: int, server: str | None = None
    ) -> list[ReceiptChanged]:
        """Return the public receipts of the users of `own`, the latest first."""
        values = (own, server, after, upto, READ, "%:" + own, most)
        return await self._database.scan(_RECEIPTS, values, ReceiptChanged._make)

    async def servers_with_messages(self) -> list[str]:
        """Return the servers for which messages wait."""
        rows = await self._database.scan("SELECT DISTINCT server FROM server_messages")
        return [server for (server,) in rows]

    async def messages(self, server: str, after: tuple[Position, int], limit: int) -> list[ServerMessageRow]:
        """Return the first messages for a server behind a position and number."""
        sql = (
            "SELECT position, number, content FROM server_messages"
            " WHERE server = ? AND (position, number) > (?, ?) ORDER BY position, number LIMIT ?"
        )
        rows = self._database.rows(sql, (server, *after, limit))
        return [ServerMessageRow._make(row) for row in rows]

    async def staged(self, after: int, limit: int) -> list[StagedPdu]:
        """Return the first events that are still to be judged."""
        sql = "SELECT number, lot, origin, room_id, pdu FROM staged_pdus WHERE number > ? ORDER BY number LIMIT ?"
        return [StagedPdu._make(row) for row in self._database.rows(sql, (after, limit))]
