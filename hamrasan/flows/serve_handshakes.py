"""Helping users of other servers into and out of rooms (server-server API, "Joining Rooms", "Knocking upon a room",
"Leaving Rooms (Rejecting Invites)"): this server makes a template, and takes the event that the other makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamrasan.federation.own_keys import OwnKeys
from hamrasan.federation.pdu_checks import PduChecks
from hamrasan.protocol.errors import MatrixError, forbidden, invalid_param
from hamrasan.protocol.event import Event
from hamrasan.protocol.hashing import check_content_hash
from hamrasan.protocol.identifiers import is_of_server, parse_user_id
from hamrasan.protocol.room_versions import RoomVersion
from hamrasan.protocol.signing import sign_event
from hamrasan.rooms.discovery import MAX_ALLOWED_ROOMS, Discovery
from hamrasan.rooms.federated_events import FederatedEvents
from hamrasan.rooms.membership import AUTHORISED_VIA, MEMBER
from hamrasan.rooms.reception import MissingEvents, Outcome, Reception
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.restricted import allowed_rooms, needs_condition, voucher
from hamrasan.rooms.room import Room
from hamrasan.rooms.server_access import ServerAccess


@dataclass(frozen=True, slots=True)
class Taken:
    """A membership event of another server's user that a room has taken."""

    room: Room
    event: Event
    servers: list[str]
    """Those that were in the room before it."""


class ServeHandshakes:
    """Does the resident server's part of handshakes."""

    def __init__(
        self,
        access: ServerAccess,
        registry: RoomRegistry,
        discovery: Discovery,
        events: FederatedEvents,
        reception: Reception,
        checks: PduChecks,
        keys: OwnKeys,
    ) -> None:
        self._access = access
        self._registry = registry
        self._discovery = discovery
        self._events = events
        self._reception = reception
        self._checks = checks
        self._keys = keys

    async def template(
        self, server: str, room_id: str, user_id: str, membership: str, versions: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Return an event by which a user of `server` could get a membership, and the room's version.

        `versions` are the room versions that the server knows, where it has to say so. Raises `M_NOT_FOUND` for a room
        that this server is not in, `M_INCOMPATIBLE_ROOM_VERSION`, `M_FORBIDDEN`, and for restricted rooms
        `M_UNABLE_TO_AUTHORISE_JOIN` or `M_UNABLE_TO_GRANT_JOIN` if another server may be able to help.
        """
        parse_user_id(user_id)
        if not is_of_server(user_id, server):
            raise forbidden(f"{server} cannot speak for {user_id}.")
        room = await self._access.entering(room_id, server)
        _check_version(room.version, versions)
        content: dict[str, Any] = {"membership": membership}
        if membership == "join" and needs_condition(room, user_id):
            content[AUTHORISED_VIA] = await self._voucher(room, user_id)
        event = await self._events.template(room, MEMBER, user_id, user_id, content)
        return {"room_version": room.version.id, "event": {**event, "origin": self._keys.server_name}}

    async def take(self, server: str, room_id: str, event_id: str, pdu: Any, membership: str) -> Taken:
        """Let a room take an event that another server made of a template; return once it is durable.

        An event that was taken before is taken again. Raises `M_INVALID_PARAM` for one that is something else, or not
        signed as it must be; `M_FORBIDDEN` if the room's rules refuse it; and as `template`.
        """
        room = await self._access.entering(room_id, server)
        check_membership_event(pdu, membership, server)
        if pdu["state_key"] != pdu["sender"]:
            raise invalid_param("The 'state_key' must be the sender.")
        if membership == "join":
            pdu = await self._vouched(room, pdu)
        event = await checked(self._checks, pdu, room.version, room_id, event_id)
        servers = list(room.servers)
        try:
            outcome = await self._reception.add(room, event, forward=True)
        except MissingEvents:
            raise invalid_param(
                "The event cites others that are not known here; ask for a new template."
            ) from None
        if outcome is Outcome.KNOWN:
            stored = await self._registry.events.by_id(event_id)
            outcome = Outcome.REJECTED if stored is None or stored.room != room.number else Outcome.ACCEPTED
        if outcome is not Outcome.ACCEPTED:
            raise forbidden("The rules of this room do not allow that.")
        return Taken(room, event, servers)

    async def _vouched(self, room: Room, pdu: dict[str, Any]) -> dict[str, Any]:
        """Return a join with this server's signature, if it says that a user of this server vouches for it.

        Whether the conditions are met is looked at again: nobody needs a template to name somebody here.
        """
        authoriser, own = pdu["content"].get(AUTHORISED_VIA), self._keys.server_name
        if not room.version.authorization.restricted_join or not isinstance(authoriser, str):
            return pdu
        if not is_of_server(authoriser, own):
            return pdu
        if room.membership(pdu["sender"]) not in ("join", "invite"):
            if not needs_condition(room, pdu["sender"]):
                raise forbidden("Nobody here vouches for this join; please ask for a new template.")
            await self._voucher(room, pdu["sender"])
        return sign_event(pdu, room.version, own, self._keys.current)

    async def _voucher(self, room: Room, user_id: str) -> str:
        """Return the user of this server who lets `user_id` into a restricted room."""
        allowed = list(allowed_rooms(room))[:MAX_ALLOWED_ROOMS]
        known, joined = False, []
        for other_id in allowed:
            row = await self._discovery.describable(other_id)
            if row is None:
                continue
            known = True
            if await self._registry.rooms.membership(row.room, user_id) == "join":
                joined.append(other_id)
                break
        if not joined and allowed and not known:
            raise MatrixError(
                400,
                "M_UNABLE_TO_AUTHORISE_JOIN",
                "This server is in none of the rooms whose members may join; please ask another one.",
            )
        if not joined:
            raise forbidden("You are not invited, and not in any of the rooms whose members may join.")
        try:
            return voucher(room, user_id, joined, lambda other: is_of_server(other, self._keys.server_name))
        except MatrixError:
            raise MatrixError(
                400,
                "M_UNABLE_TO_GRANT_JOIN",
                "No user of this server may let others into this room; please ask another one.",
            ) from None


def check_membership_event(pdu: Any, membership: str, server: str) -> None:
    """Raise `M_INVALID_PARAM` unless a PDU says of itself that it gives a membership, by a user of `server`."""
    if not isinstance(pdu, dict):
        raise invalid_param("The event must be a JSON object.")
    content = pdu.get("content")
    if pdu.get("type") != MEMBER or not isinstance(content, Mapping):
        raise invalid_param(f"The event must be an {MEMBER}.")
    if content.get("membership") != membership:
        raise invalid_param(f"The membership in the event must be '{membership}'.")
    sender, state_key = pdu.get("sender"), pdu.get("state_key")
    if not isinstance(sender, str) or not isinstance(state_key, str):
        raise invalid_param("The event needs a 'sender' and a 'state_key'.")
    parse_user_id(sender)
    parse_user_id(state_key)
    if not is_of_server(sender, server):
        raise invalid_param(f"The sender of the event must be a user of {server}.")


async def checked(
    checks: PduChecks, pdu: dict[str, Any], version: RoomVersion, room_id: str, event_id: str
) -> Event:
    """Return the event of a PDU that came alone; raise `M_INVALID_PARAM` unless it is in every way as it should be.

    Events of transactions whose hash is wrong are taken in their redacted form; nobody has to take a new one so.
    """
    try:
        event = await checks.check_pdu(pdu, version, room_id=room_id)
    except MatrixError as error:
        if error.status != 400:
            raise
        raise invalid_param(error.message) from None
    if event.event_id != event_id:
        raise invalid_param(f"The event has the id {event.event_id}, the address names another.")
    if not check_content_hash(event.pdu, version):
        raise invalid_param("The hash in the event is not that of its content.")
    return event


def _check_version(version: RoomVersion, versions: Sequence[str] | None) -> None:
    """Raise `M_INCOMPATIBLE_ROOM_VERSION` unless a room's version is one of `versions`, if these are given."""
    if versions is not None and version.id not in versions:
        raise MatrixError(
            400,
            "M_INCOMPATIBLE_ROOM_VERSION",
            f"The room has version {version.id}, which the other server does not know.",
            {"room_version": version.id},
        )
