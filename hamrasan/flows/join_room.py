"""Joining a room (client-server API, "Joining rooms"): here, or through another server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hamrasan.flows.carry_over_settings import CarryOverSettings
from hamrasan.flows.join_over_federation import JoinOverFederation
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import server_name_of
from hamrasan.rooms.invitations import Invitations
from hamrasan.rooms.membership import Membership, content_of
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.residency import is_resident, likely_servers, servers_of
from hamrasan.rooms.restricted import needs_condition
from hamrasan.rooms.room import Room


class JoinRoom:
    """Lets users into rooms, with what they had set for a room that was upgraded."""

    def __init__(
        self,
        membership: Membership,
        registry: RoomRegistry,
        invitations: Invitations,
        elsewhere: JoinOverFederation,
        carry_over: CarryOverSettings,
        server_name: str,
    ) -> None:
        self._membership = membership
        self._registry = registry
        self._invitations = invitations
        self._elsewhere = elsewhere
        self._carry_over = carry_over
        self._server_name = server_name

    async def join(
        self,
        room_id: str,
        user_id: str,
        reason: str | None = None,
        third_party_signed: Mapping[str, Any] | None = None,
        servers: Iterable[str] = (),
    ) -> None:
        """Let a user join; `servers` are those that may be in the room.

        Raises as `Membership.join`, and as `JoinOverFederation.join` for a room that this server is not in.
        """
        room = await self._registry.find(room_id)
        if room is None or not is_resident(room, self._server_name):
            room = await self._join_elsewhere(room_id, user_id, reason, room, servers)
            if room is not None:
                await self._carry_over.to_new_member(user_id, room)
                return
        if await self._join_here(room_id, user_id, reason, third_party_signed):
            await self._carry_over.to_new_member(user_id, await self._registry.get(room_id))

    async def _join_elsewhere(
        self, room_id: str, user_id: str, reason: str | None, room: Room | None, servers: Iterable[str]
    ) -> Room | None:
        invitation = await self._invitations.pending(room_id, user_id, room)
        inviting = [] if invitation is None else [invitation.via, server_name_of(invitation.sender)]
        content = {**content_of("join", reason), **await self._membership.names(user_id)}
        candidates = likely_servers(room_id, servers, inviting, servers_of(room))
        return await self._elsewhere.join(room_id, user_id, content, candidates)

    async def _join_here(
        self,
        room_id: str,
        user_id: str,
        reason: str | None,
        third_party_signed: Mapping[str, Any] | None,
    ) -> bool:
        try:
            return await self._membership.join(room_id, user_id, reason, third_party_signed)
        except MatrixError as refusal:
            room = await self._registry.get(room_id)
            others = [server for server in servers_of(room) if server != self._server_name]
            if refusal.status != 403 or not others or not needs_condition(room, user_id):
                raise
        # Another server may have somebody who can vouch, or know of rooms that this one does not.
        content = {**content_of("join", reason), **await self._membership.names(user_id)}
        await self._elsewhere.vouched(room, user_id, content, others)
        return True
