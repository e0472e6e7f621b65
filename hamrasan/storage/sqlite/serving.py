"""What other servers' questions need of the store, on SQLite."""

from __future__ import annotations

from hamrasan.storage.ports.rooms import RoomRow
from hamrasan.storage.sqlite.database import Database

_OF_SERVER = "room = ? AND substr(user_id, instr(user_id, ':') + 1) = ?"
"""A localpart has no colon, so the server's name begins behind the first one."""


class SqliteServing:
    """Reads rooms as other servers ask for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def room(self, number: int) -> RoomRow | None:
        """Return the room with a number."""
        row = self._database.get(
            "SELECT room, room_id, version, creator FROM rooms WHERE room = ?", (number,)
        )
        return None if row is None else RoomRow._make(row)

    async def users_of(self, room: int, server: str) -> list[str]:
        """Return the users of a server who ever had a membership of a room, those first who came first."""
        sql = "SELECT user_id FROM memberships WHERE " + _OF_SERVER + " ORDER BY first, user_id"
        return await self._database.scan(sql, (room, server), lambda row: str(row[0]))

    async def memberships_of(self, room: int, server: str) -> set[str]:
        """Return the memberships that users of a server have in a room now."""
        sql = "SELECT DISTINCT membership FROM memberships WHERE " + _OF_SERVER
        return set(await self._database.scan(sql, (room, server), lambda row: str(row[0])))

    async def is_joined(self, room: int, server: str) -> bool:
        """Return whether a user of a server is in a room now."""
        sql = "SELECT 1 FROM memberships WHERE " + _OF_SERVER + " AND membership = 'join' LIMIT 1"
        return bool(await self._database.scan(sql, (room, server)))
