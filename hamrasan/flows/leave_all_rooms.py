"""Leaving every room, when an account ends (client-server API, "Account deactivation")."""

from __future__ import annotations

from hamrasan.flows.leave_room import LeaveRoom
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.accounts import AccountRow
from hamrasan.storage.ports.journal import CommitFailed
from hamrasan.storage.ports.rooms import RoomReader

TO_LEAVE = frozenset({"join", "invite", "knock"})
"""Memberships that end with the account; who has left or is banned stays so."""

_log = get_logger(__name__)


class LeaveAllRooms:
    """Takes a deactivated user out of every room."""

    def __init__(self, leave_room: LeaveRoom, rooms: RoomReader) -> None:
        self._leave_room = leave_room
        self._rooms = rooms

    async def leave(self, account: AccountRow) -> None:
        """Leave the rooms of an account, turn its invites down and take its knocks back.

        A room that cannot be left is logged and stays as it is: it must not keep the user in all the others.
        """
        for row in await self._rooms.memberships(account.user_id):
            if row.membership not in TO_LEAVE:
                continue
            try:
                await self._leave_room.leave(row.room_id, account.user_id, for_good=True)
            except CommitFailed:
                raise
            except MatrixError as refusal:
                _log.warning("a deactivated user stays in a room", room=row.room_id, reason=refusal.message)
