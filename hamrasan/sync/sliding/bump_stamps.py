"""`bump_stamp`: when something last happened in a room that people take for news (MSC4186, "Common fields")."""

from __future__ import annotations

from hamrasan.rooms.room import CREATE, Room
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.storage.ports.rooms import EventReader, RoomEvents

BUMPING = frozenset(
    {
        "m.room.create",
        "m.room.message",
        "m.room.encrypted",
        "m.sticker",
        "m.call.invite",
        "m.poll.start",
        "org.matrix.msc3381.poll.start",
        "m.beacon_info",
        "org.matrix.msc3672.beacon_info",
    }
)
MAX_KNOWN = 200_000
"""Rooms whose stamp is in memory (about 100 bytes each)."""
MAX_EXAMINED = 250
"""Latest events that are looked at; a room in which nobody wrote for so long counts as quiet since it was made."""


class BumpStamps:
    """Knows the stamps of rooms that were asked for."""

    def __init__(self, journal: Journal, events: EventReader) -> None:
        self._events = events
        self._known: BoundedCache[int, Position] = BoundedCache(MAX_KNOWN)
        journal.listen(RoomEvents, self._room_events)

    async def of(self, room: Room, upto: Position) -> Position:
        """Return a room's stamp as it was at `upto`, or a later one."""
        known = self._known.get(room.number)
        if known is not None:
            return known
        for event in reversed(room.tail):
            if event.stored.position <= upto and event.stored.type in BUMPING:
                return self._put(room, event.stored.position)
        page = await self._events.page(room.number, 0, upto, MAX_EXAMINED, backwards=True)
        found = next((stored.position for stored in page if stored.type in BUMPING), None)
        return self._put(room, found or room.state_position(CREATE))

    def _put(self, room: Room, position: Position) -> Position:
        stamp = max(position, self._known.get(room.number) or 0)
        self._known.put(room.number, stamp)
        return stamp

    def _room_events(self, change: RoomEvents) -> None:
        if change.events[0].room in self._known:
            for stored in change.events:
                if stored.type in BUMPING:
                    self._known.put(stored.room, stored.position)
