"""Rooms at a glance, on SQLite."""

from __future__ import annotations

from hamrasan.storage.ports.room_index import RoomIndexRow
from hamrasan.storage.sqlite.database import Database
from hamrasan.storage.sqlite.recent_events import RecentEvents

_PAGE = """
    SELECT r.room,
        (SELECT max(e.position) FROM events e WHERE e.room = r.room AND e.flags < 32),
        (SELECT max(t.position) FROM receipts t WHERE t.room = r.room),
        (SELECT e.content FROM state_versions s JOIN events e ON e.position = s.event_position
         WHERE s.room = r.room AND s.type = 'm.room.create' AND s.state_key = ''
         ORDER BY s.position DESC LIMIT 1),
        EXISTS (SELECT 1 FROM state_versions s WHERE s.room = r.room AND s.type = 'm.room.encryption'
                AND s.state_key = '')
    FROM rooms r WHERE r.room > ? ORDER BY r.room LIMIT ?"""


class SqliteRoomIndex:
    """Reads rooms at a glance."""

    def __init__(self, database: Database, recent: RecentEvents) -> None:
        self._database = database
        self._recent = recent

    async def page(self, after: int, limit: int) -> list[RoomIndexRow]:
        """Return at most `limit` rooms with numbers above `after`, in the order of numbers."""
        rows = await self._database.scan(_PAGE, (after, limit))
        return [
            RoomIndexRow(
                room,
                max(events or 0, self._recent.last_in_room(room)),
                receipts or 0,
                create,
                bool(is_encrypted),
            )
            for room, events, receipts, create, is_encrypted in rows
        ]
