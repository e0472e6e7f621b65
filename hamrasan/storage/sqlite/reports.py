"""Reports to the administrators on SQLite; they are written as rows of `hamrasan.storage.ports.rooms`."""

from __future__ import annotations

from hamrasan.storage.ports.rooms import NewReport
from hamrasan.storage.sqlite.database import Database


class SqliteReports:
    """Reads what users have reported."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, limit: int) -> list[NewReport]:
        """Return the last reports, the latest first."""
        sql = (
            "SELECT created_ts, reporter, room_id, event_id, user_id, reason, score FROM reports"
            " ORDER BY report DESC LIMIT ?"
        )
        return [NewReport._make(row) for row in self._database.rows(sql, (limit,))]
