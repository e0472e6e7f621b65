"""Following the committed events: how push, search and application services hear of them, off the path of a send.

Whoever follows gets every event in the order of positions, from where it stopped, also across restarts. While it keeps
up, it is handed what was just committed from memory; when it falls behind, it reads from the store, in pages.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from hamrasan.runtime.slices import give_way
from hamrasan.storage.ports.cursors import CursorReader, PutCursor
from hamrasan.storage.ports.journal import Batch, Journal, Position
from hamrasan.storage.ports.rooms import EventReader, RoomEvents, StoredEvent

EVENTS_AT_ONCE = 100
"""Events in one step: few enough to deal with in some milliseconds, many enough to share one commit."""
MAX_KEPT = 1_000
"""Events that are kept in memory for somebody who is busy; who is further behind reads them from the store."""
UNSAVED = 1_000
"""Positions after which a cursor is saved though nothing had to be written: what is looked at again after a crash."""


class FollowedEvent(NamedTuple):
    """A committed event, and the id of its room."""

    room_id: str
    event: StoredEvent


class Step(NamedTuple):
    """The next events, and the position up to which these are all."""

    events: Sequence[FollowedEvent]
    upto: Position


class _Tail:
    """What was committed since somebody looked."""

    def __init__(self) -> None:
        self.events: deque[FollowedEvent] = deque()
        self.is_behind = True
        """Whether there are events that are not in here; none are added then."""
        self.news = asyncio.Event()

    def add(self, events: Sequence[FollowedEvent]) -> None:
        """Take in what was committed."""
        self.news.set()
        if self.is_behind:
            return
        self.events.extend(events)
        if len(self.events) > MAX_KEPT:
            self.events.clear()
            self.is_behind = True

    def take(self) -> list[FollowedEvent]:
        """Return the next events, at most `EVENTS_AT_ONCE`."""
        events = self.events
        return [events.popleft() for _ in range(min(len(events), EVENTS_AT_ONCE))]


class EventFeed:
    """The committed events of all rooms, for whoever follows them."""

    def __init__(self, journal: Journal, events: EventReader) -> None:
        self._journal = journal
        self._events = events
        self._tails: set[_Tail] = set()
        journal.listen(RoomEvents, self._committed)

    def _committed(self, item: RoomEvents) -> None:
        if self._tails:
            events = [FollowedEvent(item.room_id, event) for event in item.events]
            for tail in self._tails:
                tail.add(events)

    async def follow(self, after: Position) -> AsyncGenerator[Step, None]:
        """Yield every event after a position, in order and for ever.

        A step may be without events: then there is nothing up to its position. Whoever is done closes the iterator.
        """
        tail = _Tail()
        self._tails.add(tail)
        try:
            while True:
                if tail.is_behind:
                    tail.is_behind = False
                    upto = self._journal.durable  # what comes later is in the tail
                    while after < upto:
                        step = await self._read(after, upto)
                        after = step.upto
                        yield step
                        await give_way()
                elif events := [followed for followed in tail.take() if followed.event.position > after]:
                    after = events[-1].event.position
                    yield Step(events, after)
                elif not tail.events and not tail.is_behind:
                    tail.news.clear()
                    await tail.news.wait()
        finally:
            self._tails.discard(tail)

    async def _read(self, after: Position, upto: Position) -> Step:
        rows = await self._events.following(after, upto, EVENTS_AT_ONCE)
        events = [FollowedEvent(room_id, event) for room_id, event in rows]
        return Step(events, upto if len(events) < EVENTS_AT_ONCE else events[-1].event.position)


Handle = Callable[[Sequence[FollowedEvent]], Awaitable[Batch | None]]
"""Deals with events and returns what is to be written because of them, None for nothing.

That becomes durable together with the cursor. So after a crash events may come again only if nothing was written
because of them, or nothing of it was kept.
"""


class Follower:
    """Somebody who follows the events with a cursor in the store."""

    def __init__(
        self, name: str, feed: EventFeed, journal: Journal, cursors: CursorReader, handle: Handle
    ) -> None:
        """`name` is that of the cursor: it stays the same for ever."""
        self._name = name
        self._feed = feed
        self._journal = journal
        self._cursors = cursors
        self._handle = handle

    async def run(self) -> None:
        """Follow until cancelled. Who never did begins with what is committed from now on.

        Raises `CommitFailed`, and what `handle` raises; run again, it goes on from what is durable.
        """
        saved = await self._cursors.cursor(self._name)
        if saved is None:
            saved = self._journal.durable
            await self._save(Batch(), saved)
        async with aclosing(self._feed.follow(saved)) as steps:
            async for events, upto in steps:
                batch = await self._handle(events) if events else None
                if batch is not None or upto - saved >= UNSAVED:
                    await self._save(batch or Batch(), upto)
                    saved = upto

    def _save(self, batch: Batch, upto: Position) -> asyncio.Future[None]:
        batch.writes.append(PutCursor(self._name, upto))
        return self._journal.submit(batch)
