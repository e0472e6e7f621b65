"""Messages expire where a room's policy or the operator says so (MSC1763, "m.room.retention").

An expired message loses its content, as by a redaction, and with it what only content tells: words to search for,
files, relations, counts. Of the event there remains what holds the room's chain of events together - its id, sender and
time - and nobody is shown that either: history begins after it. State stays, for it is what the room is.

The oldest go first, in small steps that are each durable with the place up to which all has expired; so a server that
stops in the middle goes on from there. What other servers sent from before this one was in a room is the oldest; once
something has expired, no more of it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hamrasan.protocol.canonical_json import compact, encode_canonical, parse_json
from hamrasan.protocol.redaction import redact_content
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from hamrasan.rooms.decision import EventRedacted
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import give_way
from hamrasan.storage.ports.journal import FIRST_POSITION, Batch, Journal, Position
from hamrasan.storage.ports.retention import EXPIRED, PutHistoryFloor, RetentionReader
from hamrasan.storage.ports.rooms import (
    EventReader,
    RedactEvent,
    RoomReader,
    RoomRow,
    StateReader,
    StoredEvent,
)

RETENTION = "m.room.retention"
SWEEP_EVERY_S = 900.0
"""Lifetimes are days; nobody notices a quarter of an hour."""
ROOMS_AT_ONCE = 100
EVENTS_AT_ONCE = 100
"""Events of one step: some milliseconds, and one commit."""

OnExpired = Callable[[int, Position], Awaitable[None]]
"""Told the number of a room and the position up to which its messages have expired; may be told so again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows, in milliseconds; 0 for a `longest` without end."""

    shortest_ms: int
    longest_ms: int

    def lifetime_ms(self, policy: Any) -> int | None:
        """Return how long messages live under the content of a room's `m.room.retention`; None: for ever."""
        wanted = policy.get("max_lifetime") if isinstance(policy, dict) else None
        lifetime: int | None = None
        if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted > 0:
            lifetime = max(wanted, self.shortest_ms)
        if not self.longest_ms:
            return lifetime
        return self.longest_ms if lifetime is None else min(lifetime, self.longest_ms)


class Retention:
    """Lets messages expire."""

    def __init__(
        self,
        journal: Journal,
        reader: RetentionReader,
        rooms: RoomReader,
        events: EventReader,
        state: StateReader,
        floors: dict[int, Position],
        limits: Limits,
        clock: Clock,
    ) -> None:
        """`floors` are kept right here and read by whoever shows history."""
        self._journal = journal
        self._reader = reader
        self._rooms = rooms
        self._events = events
        self._state = state
        self._floors = floors
        self._limits = limits
        self._clock = clock
        self._on_expired: list[OnExpired] = []

    def on_expired(self, listener: OnExpired) -> None:
        """Call `listener` after messages have expired, and at the beginning for all rooms where any have."""
        self._on_expired.append(listener)

    async def load(self) -> None:
        """Read what has expired; before anybody is shown anything."""
        self._floors.update(await self._reader.floors())

    async def keep_sweeping(self) -> None:
        """Sweep for ever."""
        for room, floor in list(self._floors.items()):
            await self._tell(room, floor)
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_EVERY_S)

    async def sweep(self) -> None:
        """Let everything expire that is old enough now."""
        after = 0
        while page := await self._rooms.page(after, ROOMS_AT_ONCE):
            for room in page:
                await self._sweep_room(room)
            after = page[-1].room
            await give_way()

    async def _sweep_room(self, room: RoomRow) -> None:
        version = ROOM_VERSIONS.get(room.version)
        found = await self._state.at(room.room, self._journal.durable, [(RETENTION, "")])
        lifetime = self._limits.lifetime_ms(parse_json(found[0].content) if found else None)
        if lifetime is None or version is None:
            return
        before_ts = self._clock.now_ms() - lifetime
        floor = begun = self._floors.get(room.room, FIRST_POSITION)
        while True:
            upto = self._journal.durable
            page = await self._events.page(room.room, floor, upto, EVENTS_AT_ONCE, backwards=False)
            old = _beginning(page, before_ts)
            if old:
                floor = old[-1].position
                await self._journal.submit(_expiry(room, version, old))
                self._floors[room.room] = floor
            if len(old) < EVENTS_AT_ONCE:
                break
            await give_way()
        if floor > begun:
            await self._tell(room.room, floor)

    async def _tell(self, room: int, floor: Position) -> None:
        for listener in self._on_expired:
            await listener(room, floor)


def _beginning(page: list[StoredEvent], before_ts: int) -> list[StoredEvent]:
    """Return the events up to the first one that is not old enough."""
    for index, event in enumerate(page):
        if event.origin_server_ts >= before_ts:
            return page[:index]
    return page


def _expiry(room: RoomRow, version: RoomVersion, events: list[StoredEvent]) -> Batch:
    """Return what takes the content of messages away, and notes that all up to the last one have expired."""
    batch = Batch([PutHistoryFloor(room.room, events[-1].position)])
    for event in events:
        if event.state_key is None:
            content = compact(
                encode_canonical(redact_content(event.type, parse_json(event.content), version))
            )
            batch.writes.append(RedactEvent(content, EXPIRED, event.position))
            batch.feed.append(
                EventRedacted(room.room_id, event._replace(content=content, redacted_by=EXPIRED))
            )
    return batch
