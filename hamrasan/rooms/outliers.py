"""Events that came without their place in the room: what others cite to be allowed ("Auth chain", "outliers")."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

from hamrasan.protocol.canonical_json import compact
from hamrasan.protocol.event import Event
from hamrasan.protocol.hashing import encode_event
from hamrasan.rooms.known_events import READ_AT_ONCE, Known, KnownEvents
from hamrasan.rooms.placing import is_allowed_by
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.slices import Slices, give_way
from hamrasan.storage.ports.federated_rooms import OUTLIER, REJECTED, SideEvent
from hamrasan.storage.ports.journal import Batch


class Checked:
    """Events that were checked by their own auth events."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        """Every one that could be checked, in an order in which each comes after what it cites."""
        self.rejected: set[str] = set()
        self.missing: list[str] = []
        """What is cited, but neither came along nor is known."""

    def is_allowed(self, event_id: str) -> bool:
        """Return whether an event was checked and found right."""
        return event_id in self.events and event_id not in self.rejected


class Outliers:
    """Checks and keeps auth events."""

    def __init__(self, registry: RoomRegistry, known: KnownEvents) -> None:
        self._registry = registry
        self._known = known

    async def add(self, room: Room, events: Sequence[Event]) -> list[str]:
        """Keep those events that are new; return the auth events that are missing for some of them."""
        create = room.create
        if create is None:
            return []
        await self._registry.journal.submit(Batch())
        fresh, known = await self._fresh(room, events)
        if not fresh:
            return []
        checked = await self.check(room, create, fresh, known.events, known.rejected)
        batch = Batch()
        for event_id, event in checked.events.items():
            batch.writes.append(
                side_event(event, room, REJECTED if event_id in checked.rejected else OUTLIER)
            )
        await self._registry.journal.submit(batch)
        return checked.missing

    async def check(
        self,
        room: Room,
        create: Event,
        events: Mapping[str, Event],
        known: Mapping[str, Event],
        rejected: Collection[str],
    ) -> Checked:
        """Judge each of `events` by the auth events that it cites; these are among them, or `known`.

        `rejected` are those of the known ones that were rejected.
        """
        checked = Checked()
        checked.rejected.update(rejected)
        slices = Slices(self._registry.clock)
        everything = {**known, **events}
        ordered = await asyncio.to_thread(lambda: list(in_order(events)))
        for event in ordered:
            await slices.pause()
            missing = [event_id for event_id in event.auth_events if event_id not in everything]
            if missing:
                checked.missing += missing
                continue
            if any(
                each in events and each not in checked.events and each != event.event_id
                for each in event.auth_events
            ):
                continue  # what it cites could not be checked
            checked.events[event.event_id] = event
            is_other_room = event.type == "m.room.create" and event.event_id != create.event_id
            if (
                event.state_key is None
                or is_other_room
                or not is_allowed_by(room, create, event, everything, checked.rejected)
            ):
                checked.rejected.add(event.event_id)
        checked.missing = list(dict.fromkeys(checked.missing))
        return checked

    async def _fresh(self, room: Room, events: Sequence[Event]) -> tuple[dict[str, Event], Known]:
        """Return those of the events that are not known, and what is known of all that they cite."""
        fresh: dict[str, Event] = {}
        for start in range(0, len(events), READ_AT_ONCE):
            chunk = events[start : start + READ_AT_ONCE]
            found = await self._known.find(room.number, room.id, [event.event_id for event in chunk])
            unknown = set(found.missing(event.event_id for event in chunk))
            fresh.update((event.event_id, event) for event in chunk if event.event_id in unknown)
            await give_way()
        cited = {each for event in fresh.values() for each in event.auth_events if each not in fresh}
        return fresh, await self._known.find(room.number, room.id, cited)


def side_event(event: Event, room: Room, kind: str) -> SideEvent:
    """Return the row of an event that is kept beside the room."""
    pdu = {key: value for key, value in event.pdu.items() if key != "unsigned"}
    return SideEvent(event.event_id, room.number, kind, compact(encode_event(pdu, room.version)))


def in_order(events: Mapping[str, Event]) -> Iterable[Event]:
    """Return events so that each comes after those of them that it cites; what cites itself in a circle is left out.

    Ids are hashes, so there are no circles but by broken hashes. No recursion: a chain may be as long as it likes.
    """
    waiting = {
        event_id: len({cited for cited in event.auth_events if cited in events})
        for event_id, event in events.items()
    }
    citing: dict[str, list[str]] = {}
    for event_id, event in events.items():
        for cited in set(event.auth_events):
            if cited in events:
                citing.setdefault(cited, []).append(event_id)
    ready = [event_id for event_id, count in waiting.items() if count == 0]
    while ready:
        event_id = ready.pop()
        yield events[event_id]
        for later in citing.get(event_id, ()):
            waiting[later] -= 1
            if waiting[later] == 0:
                ready.append(later)
