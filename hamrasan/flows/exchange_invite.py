"""Invites to an address that has become somebody's (server-server API, "Third-party invites").

This server asks no identity server: an invite is exchanged if the keys that stand in the room prove it, and the room
does not ask for more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.federation.client import FederationClient, path_of
from hamrasan.flows.invite_elsewhere import InviteElsewhere
from hamrasan.protocol.errors import MatrixError, bad_json, forbidden, invalid_param, not_found
from hamrasan.protocol.identifiers import is_of_server, parse_user_id, server_name_of
from hamrasan.rooms.membership import MEMBER, Membership
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.server_access import ServerAccess
from hamrasan.rooms.third_party import exchanged_invite
from hamrasan.runtime.log import get_logger

MAX_INVITES = 20
"""Of one address at a time: whoever calls need not prove who they are, and each may make this server ask another."""

_log = get_logger(__name__)


class ExchangeInvite:
    """Makes invites of those to an address."""

    def __init__(
        self,
        access: ServerAccess,
        registry: RoomRegistry,
        membership: Membership,
        elsewhere: InviteElsewhere,
        client: FederationClient,
        server_name: str,
    ) -> None:
        self._access = access
        self._registry = registry
        self._membership = membership
        self._elsewhere = elsewhere
        self._client = client
        self._server_name = server_name

    async def exchange(self, server: str, room_id: str, partial: Mapping[str, Any]) -> None:
        """Invite a user of `server`, as a member of this one wanted to, with the proof in a partial event.

        Raises `M_NOT_FOUND`, `M_FORBIDDEN`, `M_INVALID_PARAM`, `M_BAD_JSON`.
        """
        room = await self._access.entering(room_id, server)
        content = partial.get("content")
        if partial.get("type") != MEMBER or partial.get("room_id") != room_id:
            raise invalid_param(f"This must be an {MEMBER} of the room that the address names.")
        if not isinstance(content, Mapping) or content.get("membership") != "invite":
            raise invalid_param("The membership in the event must be 'invite'.")
        target, proof = partial.get("state_key"), content.get("third_party_invite")
        if not isinstance(target, str) or not isinstance(proof, Mapping):
            raise bad_json("The event needs a 'state_key', and 'third_party_invite' in its content.")
        parse_user_id(target)
        if not is_of_server(target, server):
            raise forbidden(f"{server} cannot speak for {target}.")
        await self._invite(room, target, proof.get("signed"), partial.get("sender"))

    async def bound(self, user_id: str, invites: list[Mapping[str, Any]]) -> None:
        """Exchange the invites to an address that has become that of a user of this server, as far as it can be done.

        Raises `M_NOT_FOUND` for a user whom nobody here is, `M_INVALID_PARAM` for too many invites.
        """
        if len(invites) > MAX_INVITES:
            raise invalid_param(f"At most {MAX_INVITES} invites can be exchanged at once.")
        parse_user_id(user_id)
        if not is_of_server(user_id, self._server_name):
            raise not_found(f"{user_id} is a user of another server.")
        await self._membership.check_invitee(user_id, user_id)
        for invite in invites:
            try:
                await self._exchange_own(user_id, invite)
            except MatrixError as error:
                _log.info("an invite to an address was not exchanged", errcode=error.errcode)

    async def _exchange_own(self, user_id: str, invite: Mapping[str, Any]) -> None:
        room_id, sender, signed = invite.get("room_id"), invite.get("sender"), invite.get("signed")
        if not isinstance(room_id, str) or not isinstance(sender, str) or not isinstance(signed, Mapping):
            raise bad_json("An invite needs 'room_id', 'sender' and 'signed'.")
        server = server_name_of(sender)
        if server == self._server_name:
            await self._invite(await self._registry.get(room_id), user_id, signed, sender)
            return
        partial = {
            "type": MEMBER,
            "room_id": room_id,
            "sender": sender,
            "state_key": user_id,
            "content": {
                "membership": "invite",
                "third_party_invite": {"display_name": "", "signed": dict(signed)},
            },
        }
        path = path_of("/_matrix/federation/v1/exchange_third_party_invite/{}", room_id)
        await self._client.put(server, path, body=partial)

    async def _invite(self, room: Room, target: str, signed: Any, sender: Any) -> None:
        if not isinstance(signed, Mapping):
            raise bad_json("The proof of an invite is an object 'signed'.")
        new = exchanged_invite(room, target, signed)
        if new.sender != sender or not is_of_server(new.sender, self._server_name):
            raise forbidden("The invite with this token is by somebody else.")
        if is_of_server(target, self._server_name):
            await self._membership.check_invitee(target, new.sender)
            await self._registry.send(room, exchanged_invite(room, target, signed))
        else:
            await self._elsewhere.invite(room, new)
