"""The timeline in a room's part of a `/sync` answer: its latest events since the token (client-server API, "Syncing").

A timeline never jumps over an event that the reader may not see: it begins after the last such event and is `limited`,
as it is after more events than the client wants. So the state at its beginning and the events in it give the state at
its end, whatever was hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hamrasan.protocol.filters import RoomEventFilter
from hamrasan.protocol.visibility import VisibilityTimeline
from hamrasan.rooms.history import History
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline import is_wanted
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import EventReader
from hamrasan.sync.request import SyncRequest
from hamrasan.sync.unread import IgnoredBy

DEFAULT_TIMELINE = 10
"""Events of a room that a client gets which does not say how many."""
MAX_TIMELINE = 1_000
"""Events of a room in one answer, whatever the client asks; the rest is had by paging back."""
MAX_SCANNED = 2_000
"""Events looked at for a timeline with a filter that few events pass."""


def timeline_limit(wanted: RoomEventFilter) -> int:
    """Return how many events of a room a client gets at most."""
    return wanted.effective_limit(DEFAULT_TIMELINE, MAX_TIMELINE)


@dataclass(slots=True)
class SyncTimeline:
    """A room's events for one answer, the oldest first."""

    events: list[TimelineEvent]
    limited: bool
    start: Position
    """Every event after this position, up to the end of the timeline, was looked at for it."""
    whole: bool = True
    """The filter left out no state event after `start`."""
    news: bool = True
    """There was an event, shown or not, of somebody whom the reader does not ignore."""

    @property
    def prev_batch(self) -> Position:
        """From where a client pages back to meet this timeline without a gap."""
        return self.events[0].stored.position - 1 if self.events else self.start


class Timelines:
    """Reads timelines."""

    def __init__(self, events: EventReader, history: History, ignored: IgnoredBy) -> None:
        self._events = events
        self._history = history
        self._ignored = ignored

    async def read(
        self, request: SyncRequest, room: Room, floor: Position, upto: Position, *, check_history: bool
    ) -> SyncTimeline:
        """Return the room's last events in (floor, upto] as far as the client wants and, if checked, may see them.

        What was before this server came into a room is had by paging back: its timeline begins with the join.
        """
        wanted = request.filter.room.timeline
        if wanted.matches_nothing:
            return SyncTimeline([], False, upto)
        before_join = room.seeded - 1
        has_past = floor < before_join <= upto
        if has_past:
            floor = before_join
        user_id = request.reader.user_id
        checked = check_history or floor < self._history.floor(
            room
        )  # what has expired meanwhile is not shown
        sight = await self._history.sight(room, user_id) if checked else None
        limit = timeline_limit(wanted)
        scan = _Scan(room.id, wanted, limit, sight, await self._ignored.ignored_by(user_id))
        end = upto
        while True:
            page, complete = await self._page(room, floor, end, limit + 1)
            if scan.add(page):
                return scan.timeline(limited=True, start=scan.stopped_at)
            if complete:
                return scan.timeline(limited=has_past, start=floor)
            end = page[-1].stored.position - 1
            if scan.scanned >= MAX_SCANNED:
                return scan.timeline(limited=True, start=end)

    async def end_with(
        self, request: SyncRequest, room: Room, timeline: SyncTimeline, event_id: str
    ) -> TimelineEvent | None:
        """Let a timeline end with an event, unless the client wants none of its kind; return the event."""
        if timeline.events and timeline.events[-1].stored.event_id == event_id:
            return timeline.events[-1]
        wanted = request.filter.room.timeline
        for stored in await self._events.by_ids([event_id]):
            event = TimelineEvent(stored)
            if not wanted.matches_nothing and is_wanted(event, wanted, room.id, frozenset()):
                timeline.events.append(event)
            return event
        return None

    async def _page(
        self, room: Room, floor: Position, upto: Position, limit: int
    ) -> tuple[list[TimelineEvent], bool]:
        """Return the latest events in (floor, upto], the newest first, and whether these are all."""
        page: list[TimelineEvent] = []
        for event in reversed(room.tail):
            position = event.stored.position
            if position <= floor:
                break
            if position <= upto:
                if len(page) == limit:
                    return page, False
                page.append(event)
        if room.tail_start <= floor or (room.tail and room.tail[0].stored.depth == 1):
            return page, True
        stored = await self._events.page(room.number, floor, upto, limit, backwards=True)
        return [TimelineEvent(event) for event in stored], len(stored) < limit


class _Scan:
    """Looks at a room's events, the newest first, until there is enough for a timeline."""

    __slots__ = (
        "_found",
        "_ignored",
        "_limit",
        "_news",
        "_room_id",
        "_sight",
        "_wanted",
        "_whole",
        "scanned",
        "stopped_at",
    )

    def __init__(
        self,
        room_id: str,
        wanted: RoomEventFilter,
        limit: int,
        sight: VisibilityTimeline | None,
        ignored: frozenset[str],
    ) -> None:
        self._room_id = room_id
        self._wanted = wanted
        self._limit = limit
        self._sight = sight
        self._ignored = ignored
        self._found: list[TimelineEvent] = []
        self._news = False
        self._whole = True
        self.scanned = 0
        self.stopped_at: Position = 0

    def add(self, page: Sequence[TimelineEvent]) -> bool:
        """Look at further events; return whether the timeline must begin after the one at `stopped_at`."""
        for event in page:
            stored = event.stored
            self.scanned += 1
            if self._sight is not None and not self._sight.can_see(stored.position):
                if not self._news:
                    continue  # what came after a user's time in the room
                self.stopped_at = stored.position
                return True
            if is_wanted(event, self._wanted, self._room_id, self._ignored):
                if len(self._found) == self._limit:
                    self.stopped_at = stored.position
                    return True
                self._found.append(event)
            elif stored.state_key is not None:
                self._whole = False
            if stored.state_key is not None or stored.sender not in self._ignored:
                self._news = True
        return False

    def timeline(self, *, limited: bool, start: Position) -> SyncTimeline:
        """Return what was found."""
        return SyncTimeline(self._found[::-1], limited, start, self._whole, self._news)
