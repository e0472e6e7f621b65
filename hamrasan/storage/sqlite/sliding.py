"""Connections of sliding sync on SQLite."""

from __future__ import annotations

from hamrasan.storage.ports import sliding as port
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str] = {
    port.PutSlidingConnection: (
        "INSERT INTO sliding_connections (user_id, device_id, conn_id, saved_ts, state) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (user_id, device_id, conn_id) DO UPDATE SET saved_ts = excluded.saved_ts, state = excluded.state"
    ),
    port.ForgetSlidingConnections: "DELETE FROM sliding_connections WHERE saved_ts < ?",
}
DELETE_WITH_DEVICE = ("DELETE FROM sliding_connections WHERE user_id = ? AND device_id = ?",)


class SqliteSlidingConnections:
    """Reads connections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: str, device_id: str, conn_id: str) -> bytes | None:
        """Return what was kept of a connection."""
        sql = "SELECT state FROM sliding_connections WHERE user_id = ? AND device_id = ? AND conn_id = ?"
        row = self._database.get(sql, (user_id, device_id, conn_id))
        return None if row is None else row[0]
