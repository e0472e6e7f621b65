"""Expired history on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.retention`."""

from __future__ import annotations

from hamrasan.storage.ports import retention as port
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str] = {
    port.PutHistoryFloor: (
        "INSERT INTO history_floors (room, position) VALUES (?, ?)"
        " ON CONFLICT (room) DO UPDATE SET position = excluded.position"
    ),
}


class SqliteRetention:
    """Reads how far history has expired."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def floors(self) -> list[tuple[int, Position]]:
        """Return every room of which something has expired, and up to where."""
        rows = await self._database.scan("SELECT room, position FROM history_floors ORDER BY room")
        return [(int(room), int(position)) for room, position in rows]
