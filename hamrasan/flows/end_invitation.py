"""Hearing from another server that an invite was taken back, or a knock turned down, in a room of others only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hamrasan.federation.pdu_checks import PduChecks
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import is_of_server, server_name_of
from hamrasan.protocol.room_versions import room_version
from hamrasan.rooms.invitations import Invitations
from hamrasan.rooms.room import Room
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.invitations import InvitationRow
from hamrasan.storage.ports.journal import CommitFailed

_MEMBER = "m.room.member"
_ENDS = ("leave", "ban")

_log = get_logger(__name__)


class EndInvitation:
    """Ends what is known from outside.

    Of such a room there is no state to judge an event by. So a server is believed about what it has told itself: it may
    take back its own users' invites, and turn down a knock that was made there.
    """

    def __init__(self, invitations: Invitations, checks: PduChecks, own: str) -> None:
        self._invitations = invitations
        self._checks = checks
        self._own = own

    async def receive(self, origin: str, room_id: str, room: Room | None, pdus: Sequence[Any]) -> None:
        """Look through events of a room that this server is not in. Raises `CommitFailed`."""
        for pdu in pdus:
            user_id = self._removed(pdu)
            row = None if user_id is None else await self._invitations.pending(room_id, user_id, room)
            if row is None or origin not in (row.via, server_name_of(row.sender)):
                continue
            try:
                await self._end(origin, row, pdu)
            except CommitFailed:
                raise
            except MatrixError as error:
                _log.info("an invite was not taken back", room=room_id, server=origin, reason=error.message)

    def _removed(self, pdu: Any) -> str | None:
        """Return the user of this server whose membership an event would end."""
        if not isinstance(pdu, dict) or pdu.get("type") != _MEMBER:
            return None
        user_id, content = pdu.get("state_key"), pdu.get("content")
        if not isinstance(user_id, str) or not is_of_server(user_id, self._own):
            return None
        ends = isinstance(content, dict) and content.get("membership") in _ENDS
        return user_id if ends else None

    async def _end(self, origin: str, row: InvitationRow, pdu: Any) -> None:
        event = await self._checks.check_pdu(pdu, room_version(row.version), room_id=row.room_id)
        if is_of_server(event.sender, origin) and event.membership in _ENDS:
            await self._invitations.end(row, event)
