"""Leaving a room, turning an invite down, taking a knock back (client-server API, "Leaving rooms"): here, or through
another server where this one is not in the room (server-server API, "Leaving Rooms (Rejecting Invites)").
"""

from __future__ import annotations

from typing import Any

from hamrasan.federation.handshakes import Handshake, Handshakes, locally_left
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event
from hamrasan.protocol.identifiers import server_name_of
from hamrasan.protocol.room_versions import RoomVersion, room_version
from hamrasan.rooms.invitations import PENDING, Invitations
from hamrasan.rooms.membership import Membership, content_of
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.residency import is_resident, likely_servers, servers_of
from hamrasan.rooms.room import Room
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.invitations import InvitationRow
from hamrasan.storage.ports.rooms import EventReader

_log = get_logger(__name__)


class LeaveRoom:
    """Lets users out of rooms."""

    def __init__(
        self,
        membership: Membership,
        registry: RoomRegistry,
        events: EventReader,
        invitations: Invitations,
        handshakes: Handshakes,
        clock: Clock,
        server_name: str,
    ) -> None:
        self._membership = membership
        self._registry = registry
        self._events = events
        self._invitations = invitations
        self._handshakes = handshakes
        self._clock = clock
        self._server_name = server_name

    async def leave(
        self, room_id: str, user_id: str, reason: str | None = None, *, for_good: bool = False
    ) -> None:
        """Let a user leave; raises as `Membership.leave`.

        An invite of another server is turned down also if that server cannot be told: nobody has to keep it for ever.
        """
        room = await self._registry.find(room_id)
        invitation = await self._invitations.pending(room_id, user_id, room)
        if invitation is None and room is not None and not is_resident(room, self._server_name):
            invitation = await self._left_behind(room, user_id)
        if invitation is None:
            await self._membership.leave(room_id, user_id, reason, for_good=for_good)
            return
        content = content_of("leave", reason)
        await self._invitations.end(invitation, await self._leave(invitation, room, content))

    async def forget(self, room_id: str, user_id: str) -> None:
        """Let a user forget a room; raises as `Membership.forget`."""
        if not await self._invitations.forget(room_id, user_id):
            await self._membership.forget(room_id, user_id)

    async def _left_behind(self, room: Room, user_id: str) -> InvitationRow | None:
        """Return an invite or a knock that stands in a room which everybody else of this server has left."""
        member = room.members.get(user_id)
        if member is None or member.membership not in PENDING:
            return None
        found = await self._events.by_ids([member.event_id])
        sender = found[0].sender if found else user_id
        return InvitationRow(
            room.id,
            user_id,
            member.membership,
            member.position,
            room.version.id,
            member.event_id,
            sender,
            b"{}",
            b"[]",
            server_name_of(sender),
        )

    async def _leave(self, invitation: InvitationRow, room: Room | None, content: dict[str, Any]) -> Event:
        """Have another server take the leave; return the event, one that only this server has if none does."""
        version = room_version(invitation.version)
        servers = likely_servers(
            invitation.room_id, [invitation.via, server_name_of(invitation.sender)], servers_of(room)
        )
        try:
            return await self._handshakes.first(
                servers, lambda server: self._leave_through(server, invitation, version, content)
            )
        except MatrixError as error:
            _log.info("nobody could be told of a leave", room=invitation.room_id, reason=error.message)
        return locally_left(
            invitation.room_id,
            version,
            invitation.user_id,
            content,
            invitation.event_id,
            self._clock.now_ms(),
        )

    async def _leave_through(
        self, server: str, invitation: InvitationRow, version: RoomVersion, content: dict[str, Any]
    ) -> Event:
        prepared = await self._handshakes.prepare(
            Handshake.LEAVE, server, invitation.room_id, invitation.user_id, content, version
        )
        await self._handshakes.send_leave(prepared)
        return prepared.event
