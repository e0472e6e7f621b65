"""What somebody who is invited or knocks may know of a room (client-server API, "Stripped state")."""

from __future__ import annotations

from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.storage.ports.invitations import NO_ROOM, InvitationReader
from hamrasan.storage.ports.rooms import EventReader, MembershipRow

STRIPPED_STATE = (
    ("m.room.create", ""),
    ("m.room.join_rules", ""),
    ("m.room.name", ""),
    ("m.room.avatar", ""),
    ("m.room.topic", ""),
    ("m.room.canonical_alias", ""),
    ("m.room.encryption", ""),
)


class StrippedStates:
    """Writes stripped state."""

    def __init__(self, registry: RoomRegistry, events: EventReader, invitations: InvitationReader) -> None:
        self._registry = registry
        self._events = events
        self._invitations = invitations

    async def of(self, row: MembershipRow) -> bytes:
        """Return the events that the invited or knocking user gets, with their own membership, between commas."""
        if row.room == NO_ROOM:
            return await self._from_outside(row)
        room = await self._registry.get(row.room_id)
        stored = [entry.stored for key in STRIPPED_STATE if (entry := room.state.get(key)) is not None]
        member_ids = [row.event_id]
        inviter = room.members.get(row.sender)
        if inviter is not None and row.sender != row.user_id:
            member_ids.append(inviter.event_id)
        stored += await self._events.by_ids(member_ids)
        return b",".join(TimelineEvent(event).stripped() for event in stored)

    async def ended(self, row: MembershipRow) -> bytes | None:
        """Return the event by which an invite or a knock from outside ended, as clients get it; None if it is gone."""
        invitation = await self._invitations.invitation(row.room_id, row.user_id)
        return None if invitation is None else _client_event(invitation.event, invitation.event_id)

    async def _from_outside(self, row: MembershipRow) -> bytes:
        """Return what the other server told when it invited, or took a knock."""
        invitation = await self._invitations.invitation(row.room_id, row.user_id)
        if invitation is None:
            return b""
        pdu = parse_json(invitation.event)
        own = encode_json({name: pdu[name] for name in ("type", "state_key", "sender", "content")})
        told = invitation.state.removeprefix(b"[").removesuffix(b"]")
        return b",".join(part for part in (told, own) if part)


_CLIENT_MEMBERS = ("content", "origin_server_ts", "sender", "state_key", "type")


def _client_event(event: bytes, event_id: str) -> bytes:
    """Return an event in federation format as clients get it, without the room's id."""
    pdu = parse_json(event)
    return encode_json({"event_id": event_id, **{name: pdu[name] for name in _CLIENT_MEMBERS}})
