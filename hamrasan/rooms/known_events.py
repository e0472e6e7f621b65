"""Events of a room by id, wherever they are: in the room, outside its timeline, or beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.rooms.timeline_event import parsed_event
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.slices import give_way
from hamrasan.storage.ports.federated_rooms import REJECTED, FederatedRoomReader, SideEvent
from hamrasan.storage.ports.rooms import EventReader, StoredEvent

READ_AT_ONCE = 100
"""Events read and parsed in one go: one or two milliseconds."""


RECENT_EVENTS = 5_000
"""Events of auth chains that are kept in memory (some 2 KiB each)."""


@dataclass(slots=True)
class Known:
    """Events that were looked for and found."""

    events: dict[str, Event] = field(default_factory=dict)
    stored: dict[str, StoredEvent] = field(default_factory=dict)
    """Those of them that are in the room."""
    beside: dict[str, SideEvent] = field(default_factory=dict)
    """Those of them that are kept beside it."""
    refused: set[str] = field(default_factory=set)
    """Those that are known to be rejected without being read again."""
    strangers: set[str] = field(default_factory=set)
    """Those that belong to another room."""

    @property
    def rejected(self) -> set[str]:
        """The ids of those that the rules refused."""
        return self.refused | {event_id for event_id, side in self.beside.items() if side.kind == REJECTED}

    def missing(self, event_ids: Iterable[str]) -> list[str]:
        """Return those of the ids that were not found anywhere."""
        return [
            event_id
            for event_id in event_ids
            if event_id not in self.events and event_id not in self.strangers
        ]


class KnownEvents:
    """Finds events that are durable."""

    def __init__(self, events: EventReader, federated: FederatedRoomReader) -> None:
        self._events = events
        self._federated = federated
        self._recent: BoundedCache[str, tuple[Event, bool]] = BoundedCache(RECENT_EVENTS)
        """Events of auth chains, and whether the rules refused them: the branches of a fork are compared again and
        again while they grow."""

    async def find(self, room: int, room_id: str, event_ids: Collection[str]) -> Known:
        """Return what is known of these events of one room."""
        known = Known()
        await self._find_into(known, room, room_id, list(dict.fromkeys(event_ids)))
        return known

    async def find_chains(
        self, room: int, room_id: str, event_ids: Collection[str], into: Known, limit: int
    ) -> None:
        """Add these events and the whole of their auth chains to `into`.

        Raises `OverflowError` if that is more than `limit` events.
        """
        waiting = [event_id for event_id in event_ids if event_id not in into.events]
        for event_id in event_ids:
            event = into.events.get(event_id)
            if event is not None:
                waiting += [cited for cited in event.auth_events if cited not in into.events]
        while waiting:
            wanted = list(dict.fromkeys(waiting))
            await self._find_members(into, room, room_id, wanted)
            if len(into.events) > limit:
                raise OverflowError("the auth chains are too long")
            waiting = [
                cited
                for event_id in wanted
                if (event := into.events.get(event_id)) is not None
                for cited in event.auth_events
                if cited not in into.events
            ]

    async def _find_members(self, known: Known, room: int, room_id: str, event_ids: Sequence[str]) -> None:
        """Find events of auth chains, most of them in memory; of those only the events are told, not where they are."""
        unknown = []
        for event_id in event_ids:
            recent = self._recent.get(event_id)
            if recent is None or recent[0].room_id != room_id:
                unknown.append(event_id)
                continue
            known.events[event_id] = recent[0]
            if recent[1]:
                known.refused.add(event_id)
        await self._find_into(known, room, room_id, unknown)
        refused = known.rejected
        for event_id in unknown:
            if (event := known.events.get(event_id)) is not None:
                self._recent.put(event_id, (event, event_id in refused))

    async def _find_into(self, known: Known, room: int, room_id: str, event_ids: Sequence[str]) -> None:
        for start in range(0, len(event_ids), READ_AT_ONCE):
            if start:
                await give_way()
            chunk = event_ids[start : start + READ_AT_ONCE]
            for stored in await self._events.by_ids(chunk):
                if stored.room != room:
                    known.strangers.add(stored.event_id)
                    continue
                known.stored[stored.event_id] = stored
                known.events[stored.event_id] = parsed_event(stored, room_id)
            rest = known.missing(chunk)
            for side in await self._federated.side_events(rest) if rest else ():
                if side.room != room:
                    known.strangers.add(side.event_id)
                    continue
                known.beside[side.event_id] = side
                known.events[side.event_id] = event_from_pdu(parse_json(side.pdu), side.event_id, room_id)
