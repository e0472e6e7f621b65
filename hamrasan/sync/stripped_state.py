"""What somebody who is invited or knocks may know of a room (client-server API, "Stripped state")."""

from __future__ import annotations

from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.timeline_event import TimelineEvent
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

    def __init__(self, registry: RoomRegistry, events: EventReader) -> None:
        self._registry = registry
        self._events = events

    async def of(self, row: MembershipRow) -> bytes:
        """Return the events that the invited or knocking user gets, with their own membership, between commas."""
        room = await self._registry.get(row.room_id)
        stored = [entry.stored for key in STRIPPED_STATE if (entry := room.state.get(key)) is not None]
        member_ids = [row.event_id]
        inviter = room.members.get(row.sender)
        if inviter is not None and row.sender != row.user_id:
            member_ids.append(inviter.event_id)
        stored += await self._events.by_ids(member_ids)
        return b",".join(TimelineEvent(event).stripped() for event in stored)
