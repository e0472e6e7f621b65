"""Looking at somebody's presence (client-server API, "Presence"): open to those who share a room with them."""

from __future__ import annotations

from hamrasan.accounts.presence import Presence, PresenceState
from hamrasan.protocol.errors import forbidden
from hamrasan.storage.ports.rooms import RoomReader


class SeePresence:
    """Shows presence to those who may see it."""

    def __init__(self, presence: Presence, rooms: RoomReader) -> None:
        self._presence = presence
        self._rooms = rooms

    async def of(self, reader: str, user_id: str) -> PresenceState:
        """Return the presence of `user_id`; raises `M_FORBIDDEN` unless `reader` is that user or shares a room."""
        if reader != user_id and not await self._share_a_room(reader, user_id):
            raise forbidden("You can see the presence of people with whom you share a room.")
        return self._presence.of(user_id)

    async def _share_a_room(self, one: str, other: str) -> bool:
        rooms = {row.room for row in await self._rooms.memberships(one) if row.membership == "join"}
        if not rooms:
            return False
        return any(
            row.membership == "join" and row.room in rooms for row in await self._rooms.memberships(other)
        )
