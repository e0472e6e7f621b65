"""What the operator has to tell a user, in a room for that alone (client-server API, "Server Notices")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hamrasan.accounts.accounts import NOTICES_LOCALPART, Accounts
from hamrasan.accounts.tags import Tags
from hamrasan.flows.create_room import CreateRoom, RoomWish
from hamrasan.protocol.errors import MatrixError, not_found
from hamrasan.protocol.identifiers import is_of_server, parse_user_id
from hamrasan.rooms.membership import Membership
from hamrasan.rooms.new_event import NewEvent, Transaction
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.server_notices import PutNoticeRoom, ServerNoticeReader

TAG = "m.server_notice"
"""By this tag clients know the room."""
READ_ONLY = -10
"""The power level of the user: below what sending needs, so the room is for reading."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event that a user is to get."""

    user_id: str
    type: str
    state_key: str | None
    content: Mapping[str, Any]


class ServerNotices:
    """Writes to users in the name of the server."""

    def __init__(
        self,
        accounts: Accounts,
        reader: ServerNoticeReader,
        create_room: CreateRoom,
        membership: Membership,
        registry: RoomRegistry,
        tags: Tags,
        server_name: str,
    ) -> None:
        self._accounts = accounts
        self._reader = reader
        self._create_room = create_room
        self._membership = membership
        self._registry = registry
        self._tags = tags
        self._server_name = server_name
        self._sender = f"@{NOTICES_LOCALPART}:{server_name}"
        self._locks = KeyedLocks()

    async def send(self, notice: Notice, txn: Transaction | None) -> str:
        """Send a notice and return the event's id; of a repeated `txn` the first one.

        The user is invited to the room, or invited again if they have left it. Raises `M_NOT_FOUND` for who has no
        active account here, `M_INVITE_BLOCKED`, `M_USER_IN_USE` if a person has the name that the server writes under.
        """
        parse_user_id(notice.user_id)
        if not is_of_server(notice.user_id, self._server_name) or notice.user_id == self._sender:
            raise not_found(f"There is no user {notice.user_id} on this server to write to.")
        await self._accounts.access(notice.user_id)
        async with self._locks(notice.user_id):
            await self._be_somebody()
            room_id = await self._room(notice.user_id)
            room = await self._registry.get(room_id)
            if txn is not None and (known := await self._registry.find_transaction(room, self._sender, txn)):
                return known
            if room.membership(notice.user_id) not in ("join", "invite"):
                await self._membership.invite(room_id, self._sender, notice.user_id)
            await self._tags.set(notice.user_id, room_id, TAG, {})
            new = NewEvent(notice.type, self._sender, notice.content, notice.state_key, txn=txn)
            return await self._registry.send(room, new)

    async def _be_somebody(self) -> None:
        """Make the account in whose name the server writes; nobody can log in to it, for it has no password."""
        account = await self._accounts.find(self._sender)
        if account is None:
            await self._accounts.create(self._sender, None)
        elif account.password_hash is not None or account.deactivated or account.application_service:
            raise MatrixError(400, "M_USER_IN_USE", f"{self._sender} is a person's account, or was one.")

    async def _room(self, user_id: str) -> str:
        known = await self._reader.room_of(user_id)
        if known is not None:
            return known
        wish = RoomWish(
            preset="private_chat",
            name=self._server_name,
            invite=(user_id,),
            power_level_content_override={"users_default": READ_ONLY},
        )
        return await self._create_room.create(
            self._sender, wish, also=lambda room_id: [PutNoticeRoom(user_id, room_id)]
        )
