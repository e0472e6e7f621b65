"""Asking to be let into a room (client-server API, "Knocking on rooms"): here, or through another server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hamrasan.federation.handshakes import Handshake, Handshakes
from hamrasan.rooms.invitations import Invitations
from hamrasan.rooms.membership import Membership, content_of
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.residency import is_resident, likely_servers, servers_of


class KnockOnRoom:
    """Lets users ask."""

    def __init__(
        self,
        membership: Membership,
        registry: RoomRegistry,
        invitations: Invitations,
        handshakes: Handshakes,
        server_name: str,
    ) -> None:
        self._membership = membership
        self._registry = registry
        self._invitations = invitations
        self._handshakes = handshakes
        self._server_name = server_name

    async def knock(
        self, room_id: str, user_id: str, reason: str | None = None, servers: Iterable[str] = ()
    ) -> None:
        """Ask; nothing changes for who has asked already. `servers` are those that may be in the room.

        Raises as `Membership.knock`; the other servers' refusal, `ServerUnreachable`, `M_NOT_FOUND`.
        """
        room = await self._registry.find(room_id)
        if room is not None and is_resident(room, self._server_name):
            await self._membership.knock(room_id, user_id, reason)
            return
        pending = await self._invitations.pending(room_id, user_id, room)
        if pending is not None and pending.membership == "knock":
            return
        content = {**content_of("knock", reason), **await self._membership.names(user_id)}
        await self._handshakes.first(
            likely_servers(room_id, servers, servers_of(room)),
            lambda server: self._knock_at(server, room_id, user_id, content),
        )

    async def _knock_at(self, server: str, room_id: str, user_id: str, content: Mapping[str, Any]) -> None:
        prepared = await self._handshakes.prepare(Handshake.KNOCK, server, room_id, user_id, content)
        state = await self._handshakes.send_knock(prepared)
        await self._invitations.put(prepared.version.id, prepared.event, state, server)
