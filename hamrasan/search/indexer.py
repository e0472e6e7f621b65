"""Keeping the search index: it follows the committed events, off the path of a send, and can be made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from hamrasan.accounts.profiles import Profiles
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.identifiers import is_of_server
from hamrasan.protocol.relations import REPLACE, edited_content, latest_edit
from hamrasan.protocol.visibility import SHARED, WORLD_READABLE, parse_visibility
from hamrasan.rooms.followers import EventFeed, FollowedEvent
from hamrasan.rooms.rendering import LATEST, MAX_EDITS_EXAMINED
from hamrasan.rooms.timeline_event import parsed_event
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.load import let_others_go_first
from hamrasan.runtime.log import get_logger
from hamrasan.search.sources import Source, can_be_found, document_of, person_of
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.storage.ports.relations import RelationReader
from hamrasan.storage.ports.rooms import EventReader, StateReader, StoredEvent
from hamrasan.storage.ports.search import (
    Changes,
    Cursor,
    Document,
    IndexedRoom,
    Person,
    Place,
    SearchIndex,
    SearchIndexDamaged,
    SearchIndexUnavailable,
)

BATCH = 1_000
"""Events that are written at once while there is much to do; each write costs a tenth of a millisecond by itself."""
GATHER_S = 0.1
"""How long events are gathered that are written together; nobody searches for what was said just now."""
RETRY_S = 5.0
"""Between two tries while the index cannot be written, mostly since the disk is full."""

MEMBER, REDACTION = "m.room.member", "m.room.redaction"
VISIBILITY, JOIN_RULES = "m.room.history_visibility", "m.room.join_rules"

_log = get_logger(__name__)


class Indexer:
    """Files what was committed."""

    def __init__(
        self,
        index: SearchIndex,
        feed: EventFeed,
        journal: Journal,
        events: EventReader,
        relations: RelationReader,
        state: StateReader,
        profiles: Profiles,
        clock: Clock,
        server_name: str,
    ) -> None:
        self._index = index
        self._feed = feed
        self._journal = journal
        self._events = events
        self._relations = relations
        self._state = state
        self._profiles = profiles
        self._clock = clock
        self._server_name = server_name
        self._expired: dict[int, Position] = {}
        """By room, up to where messages have expired: those that are still to be taken in are not."""
        self._doubted = asyncio.Event()
        """Somebody could not read the index."""

    def doubt(self) -> None:
        """Take note that the index cannot be read: it is made anew."""
        self._doubted.set()

    async def forget(self, room: int, upto: Position) -> None:
        """Delete what can be found of a room up to a position, whose messages have expired."""
        self._expired[room] = upto
        try:
            await self._index.forget(room, upto)
        except SearchIndexUnavailable as error:
            _log.warning("search_index_unavailable", reason=str(error))
        except SearchIndexDamaged:
            self.doubt()  # and what has expired is not taken into the new one

    async def run(self) -> None:
        """Follow the events until cancelled; raises what writing raises, and goes on from there when run again."""
        while True:
            try:
                await self._follow_or_reset()
            except SearchIndexUnavailable as error:
                _log.warning("search_index_unavailable", reason=str(error))
                await asyncio.sleep(RETRY_S)

    async def _follow_or_reset(self) -> None:
        """Follow the events; return after the index was thrown away because it could not be read."""
        following = asyncio.ensure_future(self._follow())
        doubted = asyncio.ensure_future(self._doubted.wait())
        try:
            await asyncio.wait((following, doubted), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        except SearchIndexDamaged as error:
            _log.warning("search_index_damaged", reason=str(error))
        finally:
            for task in (following, doubted):
                task.cancel()
            await asyncio.wait((following, doubted))
        await self._index.reset()
        self._doubted.clear()

    async def _follow(self) -> None:
        cursor = await self._begin()
        if cursor.position >= self._journal.durable:
            await self._index.tidy()
        pending: list[FollowedEvent] = []
        target: Position | None = None
        async with aclosing(self._feed.follow(cursor.position)) as steps:
            async for events, upto in steps:
                pending += events
                if target is None and upto >= self._journal.durable:
                    await asyncio.sleep(GATHER_S)
                    target = self._journal.durable
                if len(pending) < BATCH and (target is None or upto < target):
                    continue
                if pending:
                    last = pending[-1].event
                    cursor = Cursor(upto, last.position, last.event_id)
                    began = self._clock.monotonic()
                    await self._file(pending, cursor)
                    pending = []
                    await let_others_go_first(self._clock.monotonic() - began)
                if target is not None and upto >= self._journal.durable:
                    await self._index.tidy()
                target = None

    async def _begin(self) -> Cursor:
        """Return where the index stands; one of another store, or of one that was restored, is made anew."""
        cursor = await self._index.cursor()
        known = await self._events.by_positions([cursor.last_event])
        if cursor.position > self._journal.durable or any(
            event.event_id != cursor.last_event_id for event in known
        ):
            _log.warning("search_index_of_another_store")
            await self._index.reset()
            cursor = await self._index.cursor()
        return cursor

    async def _file(self, events: Sequence[FollowedEvent], cursor: Cursor) -> None:
        batch = _Batch()
        for room_id, event in events:
            await self._take(batch, room_id, event)
        rooms = [
            IndexedRoom(room, batch.last.get(room, 0), room in batch.hiding, batch.public.get(room))
            for room in batch.last.keys() | batch.public.keys() | batch.hiding
        ]
        people = [await self._person(user_id, content) for user_id, content in batch.people.items()]
        added, replaced = list(batch.added.values()), list(batch.replaced.values())

        def prepare() -> Changes:
            found = [document for source in added if (document := _document_of(source)).words]
            return Changes(cursor, found, list(map(_document_of, replaced)), rooms, people)

        await self._index.write(prepare)

    async def _take(self, batch: _Batch, room_id: str, event: StoredEvent) -> None:
        """Sort out what an event means for the index."""
        if event.rel_type == REPLACE and event.state_key is None and event.relates_to is not None:
            await self._look_again(batch, room_id, event.room, event.relates_to)
        elif can_be_found(event):
            if event.position > self._expired.get(event.room, 0):
                batch.add(event)
        elif event.type == REDACTION:
            await self._redacted(batch, room_id, event)
        elif event.type == MEMBER and event.state_key is not None:
            content = parse_json(event.content)
            if content.get("membership") == "join" or is_of_server(event.state_key, self._server_name):
                # Of this server's people also when they leave: whoever had themselves erased has no name any more.
                batch.people[event.state_key] = content
        elif event.type in (VISIBILITY, JOIN_RULES) and event.state_key == "":
            await self._look_at_room(batch, event)

    async def _redacted(self, batch: _Batch, room_id: str, redaction: StoredEvent) -> None:
        target = parse_json(redaction.envelope).get("redacts") or parse_json(redaction.content).get("redacts")
        event = await self._events.by_id(target) if isinstance(target, str) else None
        if event is None or event.room != redaction.room or event.redacted_by is None:
            return
        if event.rel_type == REPLACE and event.relates_to is not None:
            await self._look_again(batch, room_id, event.room, event.relates_to)
        else:
            batch.replace(Source(Place(event.room, event.position), event.type, event.sender, {}))

    async def _look_again(self, batch: _Batch, room_id: str, room: int, event_id: str) -> None:
        """File an event anew, under the words of its last edit."""
        event = await self._events.by_id(event_id)
        if event is None or event.room != room or not can_be_found(event):
            return
        found = await self._relations.relations(
            event_id, REPLACE, None, 0, LATEST, MAX_EDITS_EXAMINED, backwards=True
        )
        edits = {edit.event_id: edit for edit in found if edit.room == room}
        original = parsed_event(event, room_id)
        edit = latest_edit(original, (parsed_event(edit, room_id) for edit in edits.values()))
        content = original.content if edit is None else edited_content(original.content, edit.content)
        position = 0 if edit is None else edits[edit.event_id].position
        place = Place(event.room, event.position)
        batch.replace(Source(place, event.type, event.sender, content, position))

    async def _look_at_room(self, batch: _Batch, event: StoredEvent) -> None:
        room = event.room
        if event.type == VISIBILITY and not _is_open(parse_json(event.content)):
            batch.hiding.add(room)
        state = await self._state.at(room, LATEST, ((VISIBILITY, ""), (JOIN_RULES, "")))
        contents = {event.type: parse_json(event.content) for event in state}
        readable = parse_visibility(contents.get(VISIBILITY)) == WORLD_READABLE
        batch.public[room] = readable or contents.get(JOIN_RULES, {}).get("join_rule") == "public"

    async def _person(self, user_id: str, content: Mapping[str, Any]) -> Person:
        """Return a user with the name that everybody may see: of this server's own, that of the profile."""
        if is_of_server(user_id, self._server_name):
            name, avatar = await self._profiles.names(user_id)
        else:
            name, avatar = content.get("displayname"), content.get("avatar_url")
        return person_of(
            user_id,
            name if isinstance(name, str) and name else None,
            avatar if isinstance(avatar, str) and avatar.startswith("mxc://") else None,
        )


def _document_of(source: Source) -> Document:
    """Return what is filed of an event: nothing if it is one that nobody foresaw, which must not end all filing."""
    try:
        return document_of(source)
    except Exception as error:
        _log.error("an event could not be read for search", position=source.place.position, exc_info=error)
        return Document(source.place, source.edit, "")


class _Batch:
    """What one write is made of."""

    def __init__(self) -> None:
        self.added: dict[Place, Source] = {}
        self.replaced: dict[Place, Source] = {}
        self.last: dict[int, Position] = {}
        self.hiding: set[int] = set()
        self.public: dict[int, bool] = {}
        self.people: dict[str, Mapping[str, Any]] = {}

    def add(self, event: StoredEvent) -> None:
        place = Place(event.room, event.position)
        if place not in self.replaced:
            self.added[place] = Source(place, event.type, event.sender, event.content)
        self.last[event.room] = max(event.position, self.last.get(event.room, 0))

    def replace(self, source: Source) -> None:
        self.added.pop(source.place, None)
        self.replaced[source.place] = source


def _is_open(content: Mapping[str, Any]) -> bool:
    return parse_visibility(content) in (SHARED, WORLD_READABLE)
