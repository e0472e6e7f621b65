"""Who is in a room, and how that changes (client-server API, "Room membership").

Whether a change is allowed is decided by the authorization rules; here is what goes around them: the content of the
event, who vouches for a restricted join, which changes change nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from hamrasan.accounts.accounts import NOTICES_LOCALPART, Make
from hamrasan.accounts.invite_permission import InvitePermission
from hamrasan.accounts.profiles import AVATAR_URL, DISPLAY_NAME, Profiles
from hamrasan.protocol.errors import MatrixError, bad_json, forbidden, not_found
from hamrasan.protocol.identifiers import is_of_server, parse_user_id
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.residency import is_resident
from hamrasan.rooms.restricted import needs_condition, voucher
from hamrasan.rooms.room import Room
from hamrasan.rooms.third_party import exchanged_invite
from hamrasan.storage.ports.accounts import AccountReader
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import ForgetRoom, RoomForgotten, RoomReader

MEMBER = "m.room.member"
AUTHORISED_VIA = "join_authorised_via_users_server"
_INTRODUCED = frozenset({"join", "invite", "knock"})
"""Memberships whose events carry the member's name and avatar."""
_REMOVABLE = _INTRODUCED | {"ban"}
"""Memberships that others can end: there is nothing to tell somebody who never was here."""


Inviter = Callable[[Room, NewEvent], Awaitable[str]]
"""Adds an invite of another server's user to a room, once that server has signed it; returns the event's id."""


class Membership:
    """Changes memberships of this server's users in this server's rooms."""

    def __init__(
        self,
        registry: RoomRegistry,
        access: RoomAccess,
        rooms: RoomReader,
        accounts: AccountReader,
        profiles: Profiles,
        invite_permission: InvitePermission,
        make_user: Make,
        invite_elsewhere: Inviter,
        server_name: str,
    ) -> None:
        self._registry = registry
        self._access = access
        self._rooms = rooms
        self._accounts = accounts
        self._profiles = profiles
        self._invite_permission = invite_permission
        self._make_user = make_user
        self._invite_elsewhere = invite_elsewhere
        self._server_name = server_name

    # What users do themselves.

    async def join(
        self,
        room_id: str,
        user_id: str,
        reason: str | None = None,
        third_party_signed: Mapping[str, Any] | None = None,
    ) -> bool:
        """Let a user join; return False if they were in the room already, and nothing has changed.

        `third_party_signed` proves that an invite to an address is for this user. Raises `M_NOT_FOUND`, `M_FORBIDDEN`.
        """
        room = await self._registry.get(room_id)
        membership = room.membership(user_id)
        if membership == "join":
            return False
        content = content_of("join", reason)
        if third_party_signed is not None and membership != "invite":
            await self._join_by_address(room, user_id, content, third_party_signed)
        else:
            await self._set(room, user_id, user_id, content)
        return True

    async def knock(self, room_id: str, user_id: str, reason: str | None = None) -> None:
        """Let a user ask to be let in; nothing changes for who has asked already. Raises as `join`."""
        room = await self._registry.get(room_id)
        if room.membership(user_id) != "knock":
            await self._set(room, user_id, user_id, content_of("knock", reason))

    async def leave(
        self, room_id: str, user_id: str, reason: str | None = None, *, for_good: bool = False
    ) -> None:
        """Let a user leave, turn an invite down or take a knock back; nothing changes for who has left already.

        Raises `M_FORBIDDEN` for who has nothing to leave, and `M_CANNOT_LEAVE_SERVER_NOTICE_ROOM` for who turns down
        what the server has to say - unless they leave the server itself (`for_good`).
        """
        room = await self._get_or_refuse(room_id)
        if not for_good:
            self._check_notices(room, user_id)
        if room.membership(user_id) != "leave":
            await self._set(room, user_id, user_id, content_of("leave", reason))

    async def forget(self, room_id: str, user_id: str) -> None:
        """Let a user forget a room that they have left; raises 400 `M_UNKNOWN` for who has not."""
        room = await self._get_or_refuse(room_id)
        membership = room.membership(user_id)
        if membership is None:
            raise forbidden("You were never in this room.")
        if membership not in ("leave", "ban"):
            raise MatrixError(400, "M_UNKNOWN", "You have to leave this room before you can forget it.")
        journal = self._registry.journal
        await journal.submit(
            Batch(
                [ForgetRoom(journal.next_position, room.number, user_id)],
                positions=1,
                feed=[RoomForgotten(user_id, room_id)],
            )
        )

    async def joined_rooms(self, user_id: str) -> list[str]:
        """Return the ids of the rooms that a user is in."""
        return [row.room_id for row in await self._rooms.memberships(user_id) if row.membership == "join"]

    async def mutual_rooms(self, user_id: str, other: str) -> list[tuple[int, str]]:
        """Return number and id of every room that both users are in, in the order in which the rooms were made."""
        return await self._rooms.mutual(user_id, other)

    # What members do to others.

    async def invite(
        self, room_id: str, sender: str, target: str, reason: str | None = None, **more: Any
    ) -> None:
        """Invite somebody; nothing changes if `sender` has invited them already.

        Raises `M_FORBIDDEN`, `M_INVITE_BLOCKED`, `M_NOT_FOUND` if there is no such user.
        """
        room = await self._access.joined(room_id, sender)
        if not await self._has_invited(room, sender, target):
            await self._set(room, sender, target, {**content_of("invite", reason), **more})

    async def kick(self, room_id: str, sender: str, target: str, reason: str | None = None) -> None:
        """Remove a member, or take an invite or a knock back. Raises `M_FORBIDDEN`, also if there is nothing of it."""
        room = await self._access.joined(room_id, sender)
        if room.membership(target) not in _INTRODUCED:
            raise _not_inside(target)
        await self._set(room, sender, target, content_of("leave", reason))

    async def ban(self, room_id: str, sender: str, target: str, reason: str | None = None) -> None:
        """Ban somebody, who need not be in the room. Raises `M_FORBIDDEN`."""
        room = await self._access.joined(room_id, sender)
        await self._set(room, sender, target, content_of("ban", reason))

    async def unban(self, room_id: str, sender: str, target: str, reason: str | None = None) -> None:
        """Lift a ban. Raises `M_FORBIDDEN`, and 403 `M_BAD_STATE` if there is none."""
        room = await self._access.joined(room_id, sender)
        if room.membership(target) != "ban":
            raise MatrixError(403, "M_BAD_STATE", f"{target} is not banned from this room.")
        await self._set(room, sender, target, content_of("leave", reason))

    # What all of them come to.

    async def put_state(
        self, room_id: str, sender: str, target: str, content: Mapping[str, Any], sent_ts: int | None = None
    ) -> str:
        """Give `target` a membership with this content, as a client wrote it, and return the event's id.

        `sent_ts` is when an application service says that it was sent.
        What `content` lacks of the member's name and avatar is filled in. Raises `M_FORBIDDEN`, `M_INVITE_BLOCKED`,
        `M_NOT_FOUND` for inviting a user who does not exist, `M_BAD_JSON` for a content without a membership.
        """
        room = await self._get_or_refuse(room_id)
        membership = content.get("membership")
        if membership == "leave" and target == sender:
            self._check_notices(room, sender)
        if membership == "leave" and target != sender and room.membership(target) not in _REMOVABLE:
            raise _not_inside(target)
        if membership == "invite" and room.membership(sender) != "join":
            # The rules leave this to a signature where the invite is for an address: whoever wrote that into the room
            # may have been banned since.
            raise _outside()
        return await self._set(room, sender, target, content, sent_ts)

    async def _set(
        self, room: Room, sender: str, target: str, content: Mapping[str, Any], sent_ts: int | None = None
    ) -> str:
        membership = content.get("membership")
        if not isinstance(membership, str):
            raise bad_json("A membership event needs a string 'membership'.")
        parse_user_id(target)
        if not is_resident(room, self._server_name):
            # What is known of the room ends where the last user of this server left it.
            raise _outside()
        if membership == "invite":
            await self.check_invitee(target, sender)
        full = {key: value for key, value in content.items() if key != AUTHORISED_VIA}
        if membership in _INTRODUCED:
            full = {**await self.names(target), **full}
        if membership == "join" and needs_condition(room, target):
            return await self._join_restricted(room, sender, target, full, sent_ts)
        new = NewEvent(MEMBER, sender, full, target, origin_server_ts=sent_ts)
        if membership == "invite" and not self.is_local(target):
            return await self._invite_elsewhere(room, new)
        return await self._registry.send(room, new)

    async def names(self, user_id: str) -> dict[str, str]:
        """Return what a membership event says of a user of this server, besides the membership."""
        if not self.is_local(user_id):
            return {}
        names = await self._profiles.names(user_id)
        fields = {DISPLAY_NAME: names.displayname, AVATAR_URL: names.avatar_url}
        return {field: value for field, value in fields.items() if value is not None}

    async def check_invitee(self, user_id: str, sender: str) -> None:
        """Raise unless `sender` can invite `user_id`: `M_NOT_FOUND`, `M_INVITE_BLOCKED`, `M_INVALID_PARAM`.

        Of another server's user that server says so when it is asked to sign the invite.
        """
        parse_user_id(user_id)
        if not self.is_local(user_id):
            return
        account = await self._accounts.account(user_id)
        if account is None and await self._make_user(user_id):
            account = await self._accounts.account(user_id)
        if account is None or account.deactivated:
            raise not_found(f"There is no user {user_id} on this server.")
        await self._invite_permission.check_invite(user_id, sender)

    async def _join_restricted(
        self, room: Room, sender: str, target: str, content: dict[str, Any], sent_ts: int | None
    ) -> str:
        joined: Collection[str] = frozenset(await self.joined_rooms(target))
        # From here on nothing waits, and the room may have changed meanwhile.
        if needs_condition(room, target):
            content[AUTHORISED_VIA] = voucher(room, target, joined, self.is_local)
        authorised = AUTHORISED_VIA in content
        new = NewEvent(MEMBER, sender, content, target, authorised=authorised, origin_server_ts=sent_ts)
        return await self._registry.send(room, new)

    async def _join_by_address(
        self, room: Room, user_id: str, content: Mapping[str, Any], signed: Mapping[str, Any]
    ) -> None:
        await self.check_invitee(user_id, exchanged_invite(room, user_id, signed).sender)
        names = await self.names(user_id)
        invite = exchanged_invite(room, user_id, signed)  # anew, for the room may have changed meanwhile
        if not self.is_local(invite.sender):
            raise forbidden(
                f"Only the server of {invite.sender}, who sent the invite, can let you in with it."
            )
        decision = self._registry.begin(room)
        decision.add(invite)
        decision.add(NewEvent(MEMBER, user_id, {**names, **content}, user_id))
        await self._registry.commit(room, decision)

    async def _has_invited(self, room: Room, sender: str, target: str) -> bool:
        """Return whether the invite that stands is by `sender`; one by somebody else may not have been shown."""
        member = room.members.get(target)
        if member is None or member.membership != "invite":
            return False
        stored = await self._registry.events.by_id(member.event_id)
        return stored is not None and stored.sender == sender

    def _check_notices(self, room: Room, user_id: str) -> None:
        """Refuse to turn an invite of the server itself down ("Server Notices", "Client behaviour")."""
        if (
            room.row.creator == f"@{NOTICES_LOCALPART}:{self._server_name}"
            and room.membership(user_id) == "invite"
        ):
            raise MatrixError(
                403,
                "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM",
                "This server writes to its users here; the invitation cannot be turned down.",
            )

    async def _get_or_refuse(self, room_id: str) -> Room:
        try:
            return await self._registry.get(room_id)
        except MatrixError as error:
            if error.status == 404:
                raise _outside() from None
            raise

    def is_local(self, user_id: str) -> bool:
        """Return whether a user is of this server."""
        return is_of_server(user_id, self._server_name)


def content_of(membership: str, reason: str | None) -> dict[str, Any]:
    """Return the content of a membership event, without name and avatar."""
    return {"membership": membership} if reason is None else {"membership": membership, "reason": reason}


def _outside() -> MatrixError:
    return forbidden("You are not in this room.")


def _not_inside(target: str) -> MatrixError:
    return forbidden(f"{target} is not in this room.")
