"""Events from before this server was in a room, which readers who page back have other servers asked for.

They get positions below zero, downwards, so that paging back goes on there; no sync ever does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.event import Event
from hamrasan.rooms.decision import stored_event
from hamrasan.rooms.known_events import Known, KnownEvents
from hamrasan.rooms.placing import allowed_by_auth_events
from hamrasan.rooms.redactions import MAX_PENDING_REDACTIONS, REDACTION, may_redact, redacted
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.federated_rooms import (
    OUTLIER,
    DropPendingRedaction,
    DropSideEvent,
    HistoryEvent,
    MoveEvent,
    PendingRedaction,
    PutFederatedRoom,
)
from hamrasan.storage.ports.journal import Batch, Position
from hamrasan.storage.ports.rooms import OUTSIDE, StoredEvent

MAX_MISSING = 100
"""Events that are kept in mind to ask for: a very wide history goes on at the newest of them."""


@dataclass(slots=True)
class _Page:
    """A page of history while it is put together."""

    room: Room
    known: Known
    cited: Known
    position: Position
    wanted: dict[str, None]
    batch: Batch = field(default_factory=Batch)
    added: dict[str, StoredEvent] = field(default_factory=dict)
    moved: list[StoredEvent] = field(default_factory=list)
    pending: dict[str, str] = field(default_factory=dict)


class Past:
    """Puts older events before the oldest known one."""

    def __init__(self, registry: RoomRegistry, known: KnownEvents) -> None:
        self._registry = registry
        self._known = known
        self._one_at_a_time = asyncio.Lock()
        """All rooms' history is one row of positions, downwards: each of them is given once."""

    async def add(self, room: Room, events: Sequence[Event], *, lenient: bool) -> tuple[list[str], int]:
        """Add events, the newest first; return the auth events that are missing (then none was added) and how many."""
        async with self._one_at_a_time:
            return await self._add(room, events, lenient=lenient)

    async def _add(self, room: Room, events: Sequence[Event], *, lenient: bool) -> tuple[list[str], int]:
        await self._registry.journal.submit(Batch())
        page = await self._prepare(room, events)
        missing = [
            cited
            for event in events
            for cited in page.cited.missing(event.auth_events)
            if event.event_id not in page.known.stored
        ]
        if missing and not lenient:
            return list(dict.fromkeys(missing)), 0
        slices = Slices(self._registry.clock)
        waiting = [event for event in events if event.room_id == room.id]
        while waiting:
            later = []
            for event in waiting:
                await slices.pause()
                if event.event_id in page.wanted:
                    await self._take(page, event)
                else:
                    later.append(event)
            if len(later) == len(waiting):
                break  # what is left is followed by nothing that is known
            waiting = later
        await self._write(page)
        return [], len(page.added)

    async def _prepare(self, room: Room, events: Sequence[Event]) -> _Page:
        ids = [event.event_id for event in events]
        before = [each for event in events for each in event.prev_events]
        cited = [each for event in events for each in event.auth_events]
        found = await self._known.find(room.number, room.id, [*ids, *before])
        auth_events = await self._known.find(room.number, room.id, cited)
        for event in events:
            auth_events.events.setdefault(event.event_id, event)
        lowest = await self._registry.federated.lowest_position()
        return _Page(room, found, auth_events, min(lowest, 0), dict.fromkeys(room.missing))

    async def _take(self, page: _Page, event: Event) -> None:
        room, event_id = page.room, event.event_id
        del page.wanted[event_id]
        here = page.known.stored.get(event_id)
        if here is not None and here.flags < OUTSIDE:
            return
        for each in event.prev_events:
            placed = page.known.stored.get(each)
            if each not in page.added and (placed is None or placed.flags >= OUTSIDE):
                page.wanted[each] = None
        side = page.known.beside.get(event_id)
        if side is not None and side.kind != OUTLIER:
            return
        if here is None and not allowed_by_auth_events(room, event, page.cited):
            return
        page.position -= 1
        if here is None:
            stored = stored_event(event, room, page.position, 0)._replace(replaces=0)
        else:
            stored = here._replace(position=page.position, flags=0)
            page.moved.append(stored)
        stored = await self._redacted(page, event, stored)
        page.added[event_id] = stored
        page.batch.writes.append(HistoryEvent._make(stored))
        if here is not None:
            page.batch.writes.append(
                MoveEvent(page.position, room.number, here.type, here.state_key or "", here.position)
            )
        if side is not None:
            page.batch.writes.append(DropSideEvent(event_id))

    async def _redacted(self, page: _Page, event: Event, stored: StoredEvent) -> StoredEvent:
        """Return an event without its content if a redaction of it has been seen; take note of redactions.

        Going back, the redaction comes first.
        """
        room = page.room
        if event.type == REDACTION and event.redacts is not None:
            if len(room.pending_redactions) + len(page.pending) < MAX_PENDING_REDACTIONS:
                page.pending[event.redacts] = event.event_id
            return stored
        redaction_id = page.pending.pop(event.event_id, None)
        if redaction_id is None:
            redaction_id = room.pending_redactions.get(event.event_id)
            if redaction_id is None:
                return stored
            page.batch.writes.append(DropPendingRedaction(room.number, event.event_id))
        redaction = page.added.get(redaction_id) or await self._registry.events.by_id(redaction_id)
        if redaction is None or not may_redact(room, redaction, stored):
            return stored
        return redacted(stored, redaction_id, room.version)

    async def _write(self, page: _Page) -> None:
        room, batch = page.room, page.batch
        for target, redaction in page.pending.items():
            batch.writes.append(PendingRedaction(room.number, target, redaction))
        missing = tuple(page.wanted)[:MAX_MISSING]
        batch.writes.append(
            PutFederatedRoom(
                room.number,
                room.seeded,
                room.forked,
                room.flipped,
                encode_json(missing),
                encode_json(room.awaited),
            )
        )
        written = self._registry.journal.submit(batch)
        for stored in page.moved:  # at once: the next decision may name it as what it replaces
            room.put_moved(stored)
        try:
            await written
        except BaseException:
            self._registry.forget(room)
            raise
        room.missing = missing
        room.pending_redactions.update(page.pending)
        for event_id in page.added:
            room.pending_redactions.pop(event_id, None)
