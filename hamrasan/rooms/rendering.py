"""Events as one reader sees them: the stored bytes plus `unsigned` (client-server API, "UnsignedData", "Aggregations").

What every reader sees alike is spliced from bytes; only what depends on the reader is looked up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from hamrasan.protocol.canonical_json import json_string
from hamrasan.protocol.relations import (
    REFERENCE,
    REPLACE,
    THREAD,
    ThreadSummary,
    bundled_relations,
    latest_edit,
)
from hamrasan.protocol.visibility import VisibilityTimeline
from hamrasan.rooms.erasure import Erasure
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import TimelineEvent, parsed_event
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.relations import RelationReader
from hamrasan.storage.ports.rooms import EventReader, StateReader, StoredEvent

BUNDLED = (REPLACE, THREAD, REFERENCE)
"""Kinds of relations that are bundled with the event that they relate to."""
MAX_EDITS_EXAMINED = 50
"""Latest edits of an event that are looked at for a valid one: invalid ones are rare, and hostile ones bounded."""
MAX_BUNDLED_REFERENCES = 50
"""References bundled with an event; `/relations` gives them all."""
MAX_REPLIES_COUNTED = 1_000
"""Latest replies of a thread that are looked at for a reader who may not see all of the room."""
LATEST = 2**62
"""A position after every other."""


class Reader(NamedTuple):
    """Who reads: a user on a device, and what they do not see of the room that is read."""

    user_id: str
    device_id: str
    sees: VisibilityTimeline | None = None
    """What the user may see of the room; None: every event."""
    ignored: frozenset[str] = frozenset()
    """Users whose messages are not shown."""

    def may_see(self, stored: StoredEvent) -> bool:
        """Return whether an event that relates to another one is shown to this reader."""
        return (self.sees is None or self.sees.can_see(stored.position)) and not (
            stored.sender in self.ignored and stored.state_key is None
        )


class Thread(NamedTuple):
    """A thread as one reader sees it."""

    replies: int
    latest: StoredEvent
    participated: bool
    """The reader wrote its root or a reply."""


class Renderer:
    """Renders events for readers."""

    def __init__(
        self,
        events: EventReader,
        relations: RelationReader,
        state: StateReader,
        erasure: Erasure,
        clock: Clock,
    ) -> None:
        self._erasure = erasure
        self._events = events
        self._relations = relations
        self._state = state
        self._clock = clock

    async def render(
        self, room: Room, events: Sequence[TimelineEvent], reader: Reader, *, room_id: bool = True
    ) -> list[bytes]:
        """Return the client form of `events`, with bundled aggregations; `room_id` is left out for `/sync`."""
        now = self._clock.now_ms()
        events = await self.shown(room, events, reader)
        extras = await self._extras(room, events, reader, bundle=True)
        suffix = b',"room_id":%b' % json_string(room.id) if room_id else b""
        memberships = await self._memberships(room, events, reader.user_id)
        rendered = []
        for event in events:
            stored = event.stored
            unsigned = b'"age":%d,"membership":%b' % (
                now - stored.origin_server_ts,
                json_string(_at(memberships, stored.position)),
            )
            unsigned += _transaction_id(stored, reader)
            extra = extras.get(stored.event_id)
            if extra is not None:
                unsigned += extra
            rendered.append(b'%b%b,"unsigned":{%b}}' % (event.body, suffix, unsigned))
        return rendered

    async def shown(
        self, room: Room, events: Sequence[TimelineEvent], reader: Reader
    ) -> Sequence[TimelineEvent]:
        """Return events with those in redacted form that the reader is to see so (of erased users)."""
        redacted = await self._erasure.redacted(room, [event.stored for event in events], reader.user_id)
        if not redacted:
            return events
        return [
            TimelineEvent(redacted[event.stored.position]) if event.stored.position in redacted else event
            for event in events
        ]

    @staticmethod
    def is_plain(room: Room, event: TimelineEvent) -> bool:
        """Return whether the event looks the same to every member who did not send it."""
        stored = event.stored
        return (
            not stored.replaces
            and stored.redacted_by is None
            and stored.position > room.tail_start
            and stored.event_id not in room.related
        )

    @staticmethod
    def plain(event: TimelineEvent, now_ms: int, reader: Reader) -> bytes:
        """Return the client form of a plain event, without `room_id`, for somebody who was in the room at it."""
        stored = event.stored
        return b'%b,"unsigned":{"age":%d,"membership":"join"%b}}' % (
            event.body,
            now_ms - stored.origin_server_ts,
            _transaction_id(stored, reader),
        )

    async def render_one(self, room: Room, event: TimelineEvent, reader: Reader) -> bytes:
        """Return the client form of one event."""
        return (await self.render(room, [event], reader))[0]

    async def _memberships(
        self, room: Room, events: Sequence[TimelineEvent], user_id: str
    ) -> list[tuple[Position, str]]:
        """Return the reader's memberships by position, as far back as `events` need."""
        member = room.members.get(user_id)
        if member is not None and events and all(e.stored.position >= member.position for e in events):
            return [(0, member.membership)]
        versions = await self._state.versions(room.number, "m.room.member", user_id)
        return [(stored.position, parsed_event(stored, room.id).membership or "leave") for stored in versions]

    async def _extras(
        self, room: Room, events: Sequence[TimelineEvent], reader: Reader, *, bundle: bool
    ) -> dict[str, bytes]:
        """Return further members of `unsigned` for those events that have any."""
        extras: dict[str, bytes] = {}
        replaced = [e.stored for e in events if e.stored.replaces and e.stored.redacted_by is None]
        if replaced:
            former = await self._events.by_positions([e.replaces for e in replaced])
            before = {s.position: s for s in former}
            before.update(await self._erasure.redacted(room, former, reader.user_id))
            for stored in replaced:
                if (previous := before.get(stored.replaces)) is not None:
                    extras[stored.event_id] = b',"prev_content":%b,"replaces_state":%b,"prev_sender":%b' % (
                        previous.content,
                        json_string(previous.event_id),
                        json_string(previous.sender),
                    )
        redacted = [e.stored for e in events if e.stored.redacted_by is not None]
        if redacted:
            because = await self._events.by_ids([e.redacted_by for e in redacted if e.redacted_by])
            by_id = {stored.event_id: stored for stored in because}
            for stored in redacted:
                if (redaction := by_id.get(stored.redacted_by or "")) is not None:
                    extras[stored.event_id] = extras.get(stored.event_id, b"") + (
                        b',"redacted_because":' + await self._inner(room, redaction, reader)
                    )
        if bundle:
            await self._bundle(room, events, reader, extras)
        return extras

    async def _bundle(
        self, room: Room, events: Sequence[TimelineEvent], reader: Reader, extras: dict[str, bytes]
    ) -> None:
        candidates = [
            e.stored
            for e in events
            if e.stored.state_key is None
            and (e.stored.event_id in room.related or e.stored.position <= room.tail_start)
        ]
        if not candidates:
            return
        kinds = await self._relations.related_kinds([stored.event_id for stored in candidates], BUNDLED)
        if not kinds:
            return
        for stored in candidates:
            bundled = await self._bundled(room, stored, kinds, reader)
            if bundled is not None:
                extras[stored.event_id] = extras.get(stored.event_id, b"") + (
                    b',"m.relations":' + orjson.dumps(bundled)
                )

    async def _bundled(
        self, room: Room, stored: StoredEvent, kinds: Collection[tuple[str, str]], reader: Reader
    ) -> dict[str, Any] | None:
        event_id = stored.event_id
        edit = thread = None
        references: list[str] = []
        if (event_id, REPLACE) in kinds and stored.redacted_by is None:
            edit = await self._latest_edit(room, stored, reader)
        if (event_id, THREAD) in kinds:
            thread = await self._thread(room, stored, reader)
        if (event_id, REFERENCE) in kinds:
            found = await self._relations.relations(
                event_id, REFERENCE, None, 0, LATEST, MAX_BUNDLED_REFERENCES, backwards=False
            )
            references = [
                child.event_id for child in found if child.room == room.number and reader.may_see(child)
            ]
        return bundled_relations(edit, thread, references)

    async def _latest_edit(self, room: Room, stored: StoredEvent, reader: Reader) -> orjson.Fragment | None:
        found = await self._relations.relations(
            stored.event_id, REPLACE, None, 0, LATEST, MAX_EDITS_EXAMINED, backwards=True
        )
        candidates = {c.event_id: c for c in found if c.room == room.number and reader.may_see(c)}
        original = parsed_event(stored, room.id)
        edit = latest_edit(original, (parsed_event(c, room.id) for c in candidates.values()))
        if edit is None or await self._erasure.redacted(room, [candidates[edit.event_id]], reader.user_id):
            return None
        return orjson.Fragment(self._plain(room, candidates[edit.event_id]))

    async def _thread(self, room: Room, root: StoredEvent, reader: Reader) -> ThreadSummary | None:
        found = await self.thread(room, root, reader)
        if found is None:
            return None
        rendered = await self._inner(room, found.latest, reader)
        if await self._relations.related_kinds([found.latest.event_id], (REPLACE,)):
            edit = await self._latest_edit(room, found.latest, reader)
            if edit is not None:
                relations = orjson.dumps({REPLACE: edit})
                rendered = rendered[:-2] + b',"m.relations":' + relations + b"}}"
        return ThreadSummary(orjson.Fragment(rendered), found.replies, found.participated)

    async def thread(self, room: Room, root: StoredEvent, reader: Reader) -> Thread | None:
        """Return the thread that begins at `root` as `reader` sees it; None if they see no reply."""
        senders = [row for row in await self._relations.thread(root.event_id) if row.room == room.number]
        participated = root.sender == reader.user_id or any(row.sender == reader.user_id for row in senders)
        if reader.sees is not None:
            return await self._visible_thread(room, root, reader, participated)
        shown = [row for row in senders if row.sender not in reader.ignored]
        if not shown:
            return None
        latest = await self._events.by_positions([max(row.latest for row in shown)])
        return Thread(sum(row.replies for row in shown), latest[0], participated)

    async def _visible_thread(
        self, room: Room, root: StoredEvent, reader: Reader, participated: bool
    ) -> Thread | None:
        """Count reply by reply, for who may see some of them only."""
        found = await self._relations.relations(
            root.event_id, THREAD, None, 0, LATEST, MAX_REPLIES_COUNTED, backwards=True
        )
        shown = [reply for reply in found if reply.room == room.number and reader.may_see(reply)]
        return Thread(len(shown), shown[0], participated) if shown else None

    async def _inner(self, room: Room, stored: StoredEvent, reader: Reader) -> bytes:
        """Return what a reader is shown of an event inside another one."""
        redacted = await self._erasure.redacted(room, [stored], reader.user_id)
        return self._plain(room, redacted.get(stored.position, stored))

    def _plain(self, room: Room, stored: StoredEvent) -> bytes:
        """Return the client form with the least `unsigned`, for events inside others."""
        return b'%b,"room_id":%b,"unsigned":{"age":%d}}' % (
            TimelineEvent(stored).body,
            json_string(room.id),
            self._clock.now_ms() - stored.origin_server_ts,
        )


def _at(timeline: Iterable[tuple[Position, str]], position: Position) -> str:
    """Return the membership at a position; whoever had none yet counts as having left."""
    current = "leave"
    for since, membership in timeline:
        if since > position:
            break
        current = membership
    return current


def _transaction_id(stored: StoredEvent, reader: Reader) -> bytes:
    """Return the member of `unsigned` by which the sending device recognises its own event."""
    if stored.txn_id is None or stored.txn_device != reader.device_id or stored.sender != reader.user_id:
        return b""
    return b',"transaction_id":' + orjson.dumps(stored.txn_id)
