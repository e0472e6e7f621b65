"""Invites of other servers for users of this one (server-server API, "Inviting to a room"): this server looks at them,
signs them, and tells its user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hamrasan.federation.own_keys import OwnKeys
from hamrasan.federation.pdu_checks import PduChecks
from hamrasan.flows.serve_handshakes import check_membership_event, checked
from hamrasan.protocol.errors import MatrixError, forbidden, invalid_param
from hamrasan.protocol.event import event_from_pdu
from hamrasan.protocol.identifiers import is_of_server, parse_room_id
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from hamrasan.protocol.signing import sign_event
from hamrasan.rooms.invitations import Invitations
from hamrasan.rooms.membership import Membership
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.server_acls import ServerAcls

MAX_STATE_EVENTS = 100
"""Events that come along to tell of the room; servers send about ten, and each signature is checked."""
MAX_SHOWN_CHARS = 32
"""Of a room version, in errors."""


class TakeInvite:
    """Takes invites."""

    def __init__(
        self,
        registry: RoomRegistry,
        acls: ServerAcls,
        membership: Membership,
        invitations: Invitations,
        checks: PduChecks,
        keys: OwnKeys,
    ) -> None:
        self._registry = registry
        self._acls = acls
        self._membership = membership
        self._invitations = invitations
        self._checks = checks
        self._keys = keys

    async def take(
        self, server: str, room_id: str, event_id: str, version_id: str, pdu: Any, state: Sequence[Any]
    ) -> dict[str, Any]:
        """Return an invite of `server` with this server's signature, once the invited user will hear of it.

        Raises `M_INCOMPATIBLE_ROOM_VERSION`; `M_INVALID_PARAM` for an event that is no such invite, is not signed as it
        must be, or comes with a state that is not; `M_NOT_FOUND`, `M_INVITE_BLOCKED`, `M_FORBIDDEN`,
        `M_LIMIT_EXCEEDED`.
        """
        parse_room_id(room_id)
        version = _version(version_id)
        check_membership_event(pdu, "invite", server)
        own, target = self._keys.server_name, pdu["state_key"]
        if not is_of_server(target, own):
            raise invalid_param(f"{target} is not a user of {own}.")
        room = await self._known(room_id)
        if room is not None:
            self._acls.check(room, server)
        event = await checked(self._checks, pdu, version, room_id, event_id)
        await self._check_state(room_id, version, state)
        await self._membership.check_invitee(target, event.sender)
        signed = sign_event(pdu, version, own, self._keys.current)
        if room is None or own not in room.servers:
            # Else the invite comes with a transaction, too, and the rules of the room judge it.
            await self._invitations.put(version.id, event_from_pdu(signed, event_id, room_id), state)
        elif room.membership(target) in ("join", "ban"):
            raise forbidden(f"{target} cannot be invited: they are in the room, or banned from it.")
        return signed

    async def _known(self, room_id: str) -> Room | None:
        try:
            return await self._registry.get(room_id)
        except MatrixError as error:
            if error.status == 404:
                return None
            raise

    async def _check_state(self, room_id: str, version: RoomVersion, state: Sequence[Any]) -> None:
        """Raise `M_INVALID_PARAM` unless the state that comes along is of the room, and signed, create event and all.

        Servers sent stripped events for many years, and older rooms still see them; those go through as they are.
        """
        if len(state) > MAX_STATE_EVENTS:
            raise invalid_param(
                f"At most {MAX_STATE_EVENTS} events of the room's state can come with an invite."
            )
        if not version.authorization.room_id_is_create_hash:
            return
        checked_state = await self._checks.check_pdus(state, version, room_id=room_id)
        if checked_state.refused:
            raise invalid_param(
                f"The state of the room cannot be believed: {checked_state.refused[0].reason}"
            )
        if not any(event.key == ("m.room.create", "") for event in checked_state.events):
            raise invalid_param("The room's create event must come with an invite.")


def _version(version_id: str) -> RoomVersion:
    version = ROOM_VERSIONS.get(version_id)
    if version is None or version.hashed_references:
        shown = version_id[:MAX_SHOWN_CHARS]
        raise MatrixError(
            400,
            "M_INCOMPATIBLE_ROOM_VERSION",
            f"This server does not take part in rooms of version '{shown}' on other servers.",
            {"room_version": shown},
        )
    return version
