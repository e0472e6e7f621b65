"""Who shares encrypted rooms with whom, on SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.storage.ports.journal import Position
from hamrasan.storage.sqlite.database import Database

_ENCRYPTED = (
    "EXISTS (SELECT 1 FROM state_versions s WHERE s.room = theirs.room AND s.type = 'm.room.encryption'"
    " AND s.state_key = '')"
)
_SHARED_WITH = (
    "SELECT 1 FROM memberships ours JOIN memberships theirs ON theirs.room = ours.room"
    " WHERE ours.user_id = ? AND ours.membership = 'join' AND theirs.membership = 'join' AND "
    + _ENCRYPTED
    + " AND theirs.user_id = "
)
_SHARES = _SHARED_WITH + "? LIMIT 1"
_DEVICE_CHANGES = (
    "SELECT user_id FROM (SELECT d.user_id, d.position FROM device_list_changes d"
    " WHERE d.position > ? AND d.position <= ? AND (d.user_id = ? OR EXISTS (" + _SHARED_WITH + "d.user_id))"
    " UNION ALL SELECT about_user_id, position FROM signature_news"
    " WHERE user_id = ? AND position > ? AND position <= ?)"
    " GROUP BY user_id ORDER BY max(position)"
)
_EVERYBODY = (
    "SELECT DISTINCT ours.user_id FROM memberships theirs JOIN memberships ours ON ours.room = theirs.room"
    " WHERE theirs.user_id = ? AND theirs.membership = 'join' AND ours.membership = 'join' AND " + _ENCRYPTED
)
_ENCRYPTED_ROOMS = (
    "SELECT r.room_id FROM memberships theirs JOIN rooms r ON r.room = theirs.room"
    " WHERE theirs.user_id = ? AND theirs.membership = 'join' AND " + _ENCRYPTED
)
ASKED_AT_ONCE = 100
"""Users looked up in one piece (about a millisecond); more are looked up by a reader thread."""


class SqliteSharing:
    """Reads who shares encrypted rooms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def encrypted_rooms(self, user_id: str) -> list[str]:
        """Return the ids of the encrypted rooms that the user is in."""
        return [room_id for (room_id,) in await self._database.scan(_ENCRYPTED_ROOMS, (user_id,))]

    async def sharing(self, user_id: str, others: Sequence[str]) -> set[str]:
        """Return those of `others` who are in an encrypted room with the user."""
        if len(others) <= ASKED_AT_ONCE:
            return {other for other in others if self._database.get(_SHARES, (user_id, other))}
        everybody = await self._database.scan(_EVERYBODY, (user_id,))
        return {other for (other,) in everybody}.intersection(others)

    async def device_changes(self, user_id: str, after: Position, upto: Position) -> list[str]:
        """Return whose keys, as the user sees them, last changed in (after, upto]."""
        parameters = (after, upto, user_id, user_id, user_id, after, upto)
        rows = await self._database.scan(_DEVICE_CHANGES, parameters)
        return [changed for (changed,) in rows]
