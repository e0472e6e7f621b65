"""Cursors on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.cursors`."""

from __future__ import annotations

from hamrasan.storage.ports import cursors as port
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str] = {
    port.PutCursor: (
        "INSERT INTO cursors (name, position) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET position = excluded.position"
    ),
}


class SqliteCursors:
    """Reads cursors."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cursor(self, name: str) -> Position | None:
        """Return how far `name` has come; None if it never began."""
        row = self._database.get("SELECT position FROM cursors WHERE name = ?", (name,))
        return None if row is None else int(row[0])
