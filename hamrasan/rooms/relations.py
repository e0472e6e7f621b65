"""What relates to an event, and the threads of a room (client-server API, "Forming relationships", "Threading")."""

from __future__ import annotations

from hamrasan.protocol.canonical_json import encode_canonical, parse_json
from hamrasan.protocol.redaction import redact_content
from hamrasan.rooms.access import ReadableRoom
from hamrasan.rooms.rendering import Reader, Renderer, Thread
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline import Page
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.storage.ports.journal import FIRST_POSITION, Position
from hamrasan.storage.ports.relations import RelationReader
from hamrasan.storage.ports.rooms import EventReader, StoredEvent

RECURSION_LEVELS = 3
"""Levels of relations followed with `recurse`: as many as the specification asks for at least."""
MAX_CHILDREN_SCANNED = 2_000
"""Events looked at for one page, where most are hidden from the reader."""
MAX_THREADS_SCANNED = 200
"""Threads looked at for one page; each costs a count of its replies."""
THREADS_CHUNK = 20


class Relations:
    """Reads relations between events for readers whom the gate has let in."""

    def __init__(self, events: EventReader, relations: RelationReader, renderer: Renderer) -> None:
        self._events = events
        self._relations = relations
        self._renderer = renderer

    async def children(
        self,
        readable: ReadableRoom,
        reader: Reader,
        event_id: str,
        start: Position | None,
        limit: int,
        *,
        rel_type: str | None = None,
        event_type: str | None = None,
        levels: int = 1,
        backwards: bool = True,
        stop: Position | None = None,
    ) -> Page:
        """Return the next `limit` events from `start` on that relate to `event_id`, over at most `levels` relations.

        Redacted events, and those that the reader may not see or ignores the sender of, are left out.
        """
        last = readable.upto
        if backwards:
            after = FIRST_POSITION if stop is None else stop
            upto = last if start is None else min(start, last)
        else:
            after = FIRST_POSITION if start is None else start
            upto = last if stop is None else min(stop, last)
        found: list[TimelineEvent] = []
        rest = MAX_CHILDREN_SCANNED
        at = upto if backwards else after
        while after < upto:
            size = limit - len(found) + 1
            chunk = await self._relations.relations(
                event_id, rel_type, event_type, after, upto, size, backwards=backwards, levels=levels
            )
            for child in chunk:
                if len(found) == limit or rest <= 0:
                    return Page(found, at)
                rest -= 1
                at = child.position - 1 if backwards else child.position
                if child.room == readable.room.number and reader.may_see(child):
                    found.append(TimelineEvent(child))
            if len(chunk) < size:
                break
            after, upto = (after, at) if backwards else (at, upto)
        return Page(found, None)

    async def threads(
        self,
        readable: ReadableRoom,
        reader: Reader,
        start: Position | None,
        limit: int,
        *,
        participated: bool = False,
    ) -> Page:
        """Return the roots of the room's threads that were active last, up to `start`; the most recent first.

        With `participated` only those that the reader took part in. The root of somebody whom the reader ignores is
        shown redacted.
        """
        room = readable.room
        at = room.durable_head if start is None else start
        found: list[tuple[Position, StoredEvent]] = []
        rest = MAX_THREADS_SCANNED
        while True:
            rows = await self._relations.threads(room.number, at + 1, THREADS_CHUNK)
            roots = {root.event_id: root for root in await self._events.by_ids([row.root for row in rows])}
            for row in rows:
                if len(found) == limit or rest <= 0:
                    return _page(room, reader, found, at)
                rest -= 1
                at = row.latest - 1
                thread = await self._thread(room, roots.get(row.root), reader)
                if thread is not None and (thread.participated or not participated):
                    found.append((thread.latest.position, roots[row.root]))
            if len(rows) < THREADS_CHUNK:
                return _page(room, reader, found, None)

    async def _thread(self, room: Room, root: StoredEvent | None, reader: Reader) -> Thread | None:
        """Return a thread if the reader may see its root and any reply."""
        if root is None or root.room != room.number:
            return None
        if reader.sees is not None and not reader.sees.can_see(root.position):
            return None
        return await self._renderer.thread(room, root, reader)


def _page(
    room: Room, reader: Reader, found: list[tuple[Position, StoredEvent]], end: Position | None
) -> Page:
    roots = [root for _, root in sorted(found, key=lambda entry: entry[0], reverse=True)]
    return Page([TimelineEvent(_shown_root(room, reader, root)) for root in roots], end)


def _shown_root(room: Room, reader: Reader, root: StoredEvent) -> StoredEvent:
    if root.sender not in reader.ignored:
        return root
    content = redact_content(root.type, parse_json(root.content), room.version)
    return root._replace(content=encode_canonical(content))
