"""A room's events as one reader may page through them (client-server API, "Syncing", "Event Context").

What the reader may not see is jumped over, not read; what their filter leaves out is read, but only so much of it for
one request: the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.protocol.errors import not_found
from hamrasan.protocol.filters import RoomEventFilter, parse_room_event_filter
from hamrasan.rooms.access import ReadableRoom
from hamrasan.rooms.history import MEMBER, History
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.runtime.slices import give_way
from hamrasan.storage.ports.journal import FIRST_POSITION, Position
from hamrasan.storage.ports.rooms import EventReader, StateReader, StoredEvent

MAX_SCANNED = 2_000
"""Events looked at for one page with a filter that few events pass: some ten milliseconds."""
CHUNK = 100
"""Events read at once: about half a millisecond, then others have their turn."""

EVERYTHING = parse_room_event_filter({})
"""The filter of a request that names none."""


class Page(NamedTuple):
    """Events of a timeline in the order in which they were asked for."""

    events: list[TimelineEvent]
    end: Position | None
    """Where to go on; None where there is nothing more that the reader may see."""


class Context(NamedTuple):
    """What stands around an event."""

    before: list[TimelineEvent]
    """The newest first."""
    after: list[TimelineEvent]
    state: list[TimelineEvent]
    """The state at the last of the events."""
    start: Position
    end: Position


class Timeline:
    """Reads rooms' events for readers whom the gate has let in."""

    def __init__(
        self, events: EventReader, state: StateReader, history: History, ignored: IgnoredUsers
    ) -> None:
        self._events = events
        self._state = state
        self._history = history
        self._ignored = ignored

    async def reader(self, room: Room, user_id: str, device_id: str) -> Reader:
        """Return what tells which events of `room` the user is shown."""
        sees = await self._history.sight(room, user_id)
        return Reader(user_id, device_id, sees, await self._ignored.ignored_by(user_id))

    async def page(
        self,
        readable: ReadableRoom,
        reader: Reader,
        start: Position | None,
        limit: int,
        wanted: RoomEventFilter = EVERYTHING,
        *,
        backwards: bool,
        stop: Position | None = None,
    ) -> Page:
        """Return the next `limit` events from `start` on (None: from the very end or beginning), but not beyond `stop`.

        Fewer events, even none, do not mean that there are no more: that is what `Page.end` tells.
        """
        last = readable.upto
        if backwards:
            after = FIRST_POSITION if stop is None else stop
            upto = last if start is None else min(start, last)
        else:
            after = FIRST_POSITION if start is None else start
            upto = last if stop is None else min(stop, last)
        if after >= upto or wanted.matches_nothing:
            return Page([], None)
        found: list[TimelineEvent] = []
        rest = MAX_SCANNED
        for low, high in _ranges(reader, after, upto, backwards):
            at = high if backwards else low
            if rest <= 0:
                return Page(found, at)
            rest -= 1  # a stretch costs a read even if nothing is in it
            while True:
                size = _chunk_size(limit - len(found), wanted, reader)
                low, high = (low, at) if backwards else (at, high)
                chunk = await self._events.page(readable.room.number, low, high, size, backwards=backwards)
                for stored in chunk:
                    if len(found) == limit or rest <= 0:
                        return Page(found, at)
                    rest -= 1
                    at = stored.position - 1 if backwards else stored.position
                    event = TimelineEvent(stored)
                    if is_wanted(event, wanted, readable.room.id, reader.ignored):
                        found.append(event)
                if len(chunk) < size:
                    break
                await give_way()
        goes_on = stop is not None and stop < last and (stop > 0 or readable.room.seeded > 0)
        return Page(found, stop if found and goes_on else None)

    async def context(
        self,
        readable: ReadableRoom,
        reader: Reader,
        event: TimelineEvent,
        limit: int,
        wanted: RoomEventFilter = EVERYTHING,
    ) -> Context:
        """Return at most `limit` events around `event`, about half of them before it."""
        position = event.stored.position
        before = await self.page(readable, reader, position - 1, limit // 2, wanted, backwards=True)
        after = await self.page(readable, reader, position, limit - limit // 2, wanted, backwards=False)
        shown = [*before.events, event, *after.events]
        newest = after.events[-1].stored.position if after.events else position
        oldest = before.events[-1].stored.position if before.events else position
        return Context(
            before=before.events,
            after=after.events,
            state=await self.state_for(readable, shown, newest, wanted),
            start=oldest - 1 if before.end is None else before.end,
            end=newest if after.end is None else after.end,
        )

    async def state_for(
        self,
        readable: ReadableRoom,
        shown: Iterable[TimelineEvent],
        position: Position,
        wanted: RoomEventFilter,
    ) -> list[TimelineEvent]:
        """Return the state at `position`, as far as it is wanted; with lazy loading no members but the senders."""
        room = readable.room
        if wanted.matches_nothing:
            return []
        at = room.known_state_at(position)
        state = await self._state.at(room.number, at, members=not wanted.lazy_load_members)
        events = [TimelineEvent(stored) for stored in state]
        if wanted.lazy_load_members:
            events += await self.senders(room, shown, position)
        return [event for event in events if is_wanted(event, wanted, room.id, frozenset())]

    async def senders(
        self, room: Room, shown: Iterable[TimelineEvent], position: Position
    ) -> list[TimelineEvent]:
        """Return the memberships at `position` of those who sent `shown` ("Lazy-loading room members")."""
        keys = [(MEMBER, sender) for sender in dict.fromkeys(event.stored.sender for event in shown)]
        found = await self._state.at(room.number, room.known_state_at(position), keys) if keys else []
        return [TimelineEvent(stored) for stored in found]

    async def nearest(
        self, readable: ReadableRoom, reader: Reader, ts: int, *, backwards: bool
    ) -> StoredEvent:
        """Return the event nearest to a time, on the asked side of it; raise `M_NOT_FOUND` if the reader sees none."""
        found = await self._events.nearest(readable.room.number, ts, backwards=backwards)
        if found is not None and found.position <= readable.upto and _sees(reader, found.position):
            return found
        # What is nearest is hidden. Go on from there to the first event that is not, on the same side.
        if found is not None:
            start = found.position - 1 if backwards else found.position
            page = await self.page(readable, reader, start, CHUNK, backwards=backwards)
            for event in page.events:
                stored = event.stored
                if stored.origin_server_ts <= ts if backwards else stored.origin_server_ts >= ts:
                    return stored
        side = "at or before" if backwards else "at or after"
        raise not_found(f"There is no event {side} this time in the room that you may see.")


def is_wanted(event: TimelineEvent, wanted: RoomEventFilter, room_id: str, ignored: frozenset[str]) -> bool:
    """Return whether an event passes a filter and is not a message of somebody whom the reader ignores."""
    stored = event.stored
    if ignored and stored.sender in ignored and stored.state_key is None:
        return False
    if wanted.matches_everything:
        return True
    has_url = wanted.contains_url is not None and isinstance(event.content.get("url"), str)
    return wanted.matches_event(stored.type, stored.sender, room_id, has_url)


def _sees(reader: Reader, position: Position) -> bool:
    return reader.sees is None or reader.sees.can_see(position)


def _ranges(
    reader: Reader, after: Position, upto: Position, backwards: bool
) -> list[tuple[Position, Position]]:
    """Return the stretches of (after, upto] that the reader may see, in the order of reading."""
    if reader.sees is None:
        return [(after, upto)]
    ranges = reader.sees.visible_ranges(after, upto)
    return ranges[::-1] if backwards else ranges


def _chunk_size(missing: int, wanted: RoomEventFilter, reader: Reader) -> int:
    """Return how many events to read: one more than is missing tells whether there are more at all."""
    if missing == 0:
        return 1
    if wanted.matches_everything and not reader.ignored:
        return min(missing + 1, CHUNK)
    return CHUNK
