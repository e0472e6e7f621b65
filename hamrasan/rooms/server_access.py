"""The gate for other servers: the only way in which their requests get hold of a room."""

from __future__ import annotations

from hamrasan.protocol.errors import forbidden, not_found
from hamrasan.protocol.identifiers import parse_room_id
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.server_acls import ServerAcls


class ServerAccess:
    """Gives rooms to other servers that may have them."""

    def __init__(self, registry: RoomRegistry, acls: ServerAcls, server_name: str) -> None:
        self._registry = registry
        self._acls = acls
        self._server_name = server_name

    async def resident(self, room_id: str, server: str) -> Room:
        """Return a room that `server` is in, as far as is known here; it may read what its users may.

        Raises `M_NOT_FOUND` for a room that is not known here, `M_FORBIDDEN` for one that the server is not in, or is
        kept out of. This server need not be in the room any more: what it sent before it left can still be asked for.
        """
        room = await self._get(room_id, server)
        if server not in room.servers:
            raise forbidden(f"{server} is not in this room.")
        return room

    async def entering(self, room_id: str, server: str) -> Room:
        """Return a room that this server is in, and into or out of which it helps users of `server`.

        Raises `M_NOT_FOUND` for a room that this server is not in, `M_FORBIDDEN` for one that `server` is kept out of.
        """
        room = await self._get(room_id, server)
        if self._server_name not in room.servers:
            raise not_found("This server is not in this room.")
        return room

    async def _get(self, room_id: str, server: str) -> Room:
        parse_room_id(room_id)
        room = await self._registry.get(room_id)
        self._acls.check(room, server)
        return room
