"""Server notices on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.server_notices`."""

from __future__ import annotations

from hamrasan.storage.ports import server_notices as port
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str] = {
    port.PutNoticeRoom: (
        "INSERT INTO server_notice_rooms (user_id, room_id) VALUES (?, ?)"
        " ON CONFLICT (user_id) DO UPDATE SET room_id = excluded.room_id"
    ),
}


class SqliteServerNotices:
    """Reads where the server writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def room_of(self, user_id: str) -> str | None:
        """Return the id of the room in which the server writes to a user; None if it never has."""
        row = self._database.get("SELECT room_id FROM server_notice_rooms WHERE user_id = ?", (user_id,))
        return None if row is None else row[0]
