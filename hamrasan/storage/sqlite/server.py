"""The server itself on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.server`."""

from __future__ import annotations

from hamrasan.storage.ports import server as port
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str] = {
    port.SetServerName: (
        "INSERT INTO server (only, name) VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET name = excluded.name"
    ),
}


class SqliteServer:
    """Reads what is kept of the server."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def name(self) -> str | None:
        """Return the name of the server whose data this is."""
        row = self._database.get("SELECT name FROM server")
        return None if row is None else str(row[0])
