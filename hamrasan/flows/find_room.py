"""Finding a room by its id or an alias, here or on another server (client-server API, "Room aliases")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hamrasan.federation.queries import RemoteQueries
from hamrasan.protocol.identifiers import parse_room_alias, parse_room_id
from hamrasan.rooms.aliases import Aliases
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.residency import servers_of

MAX_SERVERS = 20
"""Servers of a room that clients are told of with an alias: enough to find one that runs."""


class RoomPlace(NamedTuple):
    """A room, and servers that may be in it, the most likely first."""

    room_id: str
    servers: list[str]


class FindRoom:
    """Finds rooms."""

    def __init__(
        self, aliases: Aliases, registry: RoomRegistry, queries: RemoteQueries, server_name: str
    ) -> None:
        self._aliases = aliases
        self._registry = registry
        self._queries = queries
        self._server_name = server_name

    async def by_id_or_alias(self, room_id_or_alias: str, via: Iterable[str] = ()) -> RoomPlace:
        """Return the room that a client names, with the servers that it names, too.

        Raises `M_INVALID_PARAM` for what is neither, `M_NOT_FOUND` for an alias that nobody knows,
        `ServerUnreachable` for one whose server is not there.
        """
        if not room_id_or_alias.startswith("#"):
            parse_room_id(room_id_or_alias)
            return RoomPlace(room_id_or_alias, list(via))
        room_id, servers = await self.by_alias(room_id_or_alias)
        return RoomPlace(room_id, list(dict.fromkeys([*via, *servers])))

    async def by_alias(self, alias: str) -> RoomPlace:
        """Return the room of an alias; raises as `by_id_or_alias`."""
        if parse_room_alias(alias).server_name != self._server_name:
            return RoomPlace(*await self._queries.alias(alias))
        row = await self._aliases.find(alias)
        room = await self._registry.find(row.room_id)
        others = [server for server in servers_of(room) if server != self._server_name]
        return RoomPlace(row.room_id, [self._server_name, *others[: MAX_SERVERS - 1]])
