"""Searching messages, and names and topics of rooms (client-server API, "Server Side Search").

The index says where something may be; what is given out is read from the store, and seen there by whoever asks. Matches
are taken from the newest on: by relevance are ordered the newest thousand, then the thousand before them, and so on.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.protocol.errors import MatrixError, invalid_param, unavailable
from hamrasan.protocol.filters import RoomEventFilter
from hamrasan.protocol.search_text import Term
from hamrasan.rooms.access import ReadableRoom, RoomAccess
from hamrasan.rooms.erasure import Erasure
from hamrasan.rooms.timeline import is_wanted
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices, give_way
from hamrasan.search.indexer import Indexer
from hamrasan.search.reach import Reach, ReachFinder
from hamrasan.search.relevance import relevance
from hamrasan.search.sources import KEYS, URL_TAG, sender_tag, type_tag
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.storage.ports.rooms import EventReader, StoredEvent
from hamrasan.storage.ports.search import (
    Document,
    SearchIndex,
    SearchIndexDamaged,
    SearchIndexUnavailable,
    WordQuery,
)

CANDIDATES = 1_000
"""Newest matches that are ordered by relevance: some ten milliseconds of work."""
MAX_SCANNED = 2_000
"""Matches that are looked at for one page; the next one goes on from there."""
READ_AT_ONCE = 50
"""Matches read from the store at once: about half a millisecond."""
MAX_TOKEN_CHARS = 1_000
LATEST = 2**62
"""A position after every other."""


class Group(NamedTuple):
    """One group of results that somebody pages through."""

    key: str
    """`room_id` or `sender`."""
    value: str


class Token(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page begins: by relevance with those matches in (after, upto] below (score, position)."""

    upto: int
    after: int = 0
    score: float | None = None
    position: int = 0
    group_key: str = ""
    group_value: str = ""

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    def of_group(self, key: str, value: str) -> Token:
        """Return the token that goes on within a group."""
        return msgspec.structs.replace(self, group_key=key, group_value=value)


def parse_token(text: str) -> Token:
    """Read a token; raise `M_INVALID_PARAM` for anything else."""
    if len(text) <= MAX_TOKEN_CHARS:
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
            token = msgspec.json.decode(raw, type=Token)
        except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
            pass
        else:
            if token.group_key in ("", "room_id", "sender") and 0 <= token.after <= token.upto <= LATEST:
                return token
    raise invalid_param("'next_batch' is not a token of this search; begin again without it.")


@dataclass(frozen=True, slots=True)
class SearchCriteria:
    """What somebody searches for."""

    user_id: str
    terms: Sequence[Term]
    types: frozenset[str]
    """Types of events, of those that can be found."""
    wanted: RoomEventFilter
    senders: Sequence[str] | None
    """Those of `wanted`, if it names any."""
    by_relevance: bool
    limit: int


class Hit(NamedTuple):
    """An event that was found, and the room as its finder may read it."""

    readable: ReadableRoom
    event: TimelineEvent
    document: Document
    score: float


@dataclass(slots=True)
class Found:
    """A page of results."""

    hits: list[Hit] = field(default_factory=list)
    next: Token | None = None
    count: int = 0
    """About how many there are in all."""


class MessageSearch:
    """Answers searches."""

    def __init__(
        self,
        index: SearchIndex,
        indexer: Indexer,
        journal: Journal,
        events: EventReader,
        access: RoomAccess,
        erasure: Erasure,
        ignored: IgnoredUsers,
        reach: ReachFinder,
        clock: Clock,
    ) -> None:
        self._index = index
        self._indexer = indexer
        self._journal = journal
        self._events = events
        self._access = access
        self._erasure = erasure
        self._ignored = ignored
        self._reach = reach
        self._clock = clock

    async def find(self, criteria: SearchCriteria, token: Token | None) -> Found:
        """Return the next page. Raises 503 while the index is made anew because it was damaged."""
        if not criteria.terms or not criteria.types or criteria.wanted.matches_nothing:
            return Found()
        try:
            return await self._find(criteria, token or Token(self._journal.durable))
        except SearchIndexDamaged:
            self._indexer.doubt()
            raise unavailable("The search index is being made anew; please try again later.") from None
        except SearchIndexUnavailable:
            raise unavailable("Nothing can be searched now; please try again later.") from None

    async def _find(self, criteria: SearchCriteria, token: Token) -> Found:
        reach = await self._reach.of(criteria.user_id, criteria.wanted)
        if token.group_key == "room_id":
            reach = reach.in_room(token.group_value)
        if not reach.stretches:
            return Found()
        ignored = await self._ignored.ignored_by(criteria.user_id)
        page = _Page(criteria, token, reach, _query(criteria, token), ignored)
        if criteria.by_relevance:
            return await self._by_relevance(page)
        return await self._by_time(page)

    async def _by_time(self, page: _Page) -> Found:
        found, upto, scanned = Found(), page.token.upto, 0
        limit = page.criteria.limit
        size = limit + 1
        while True:
            documents = await self._index.newest(page.query, page.reach.within(0, upto), size)
            hits = await self._hits(page, documents)
            missing = limit - len(found.hits)
            found.hits += hits[:missing]
            found.count = len(found.hits)
            if len(hits) > missing:
                upto = found.hits[-1].document.place.position - 1
                break
            if len(documents) < size:
                return found
            upto = documents[-1].place.position - 1
            scanned += size
            if scanned >= MAX_SCANNED:
                break
            size = min(size * 4, MAX_SCANNED // 4)
        found.count += 1
        found.next = page.group(Token(upto))
        return found

    async def _by_relevance(self, page: _Page) -> Found:
        token, limit = page.token, page.criteria.limit
        stretches = page.reach.within(token.after, token.upto)
        documents = await self._index.newest(page.query, stretches, CANDIDATES)
        after = documents[-1].place.position - 1 if len(documents) == CANDIDATES else token.after
        ranked = await self._ranked(page, documents)
        found = Found(count=len(ranked))
        if token.score is not None:
            ranked = [item for item in ranked if item[:2] > (-token.score, -token.position)]
        for start in range(0, len(ranked), READ_AT_ONCE):
            part = ranked[start : start + READ_AT_ONCE]
            hits = {hit.document.place: hit for hit in await self._hits(page, [item[2] for item in part])}
            for score, position, document in part:
                if len(found.hits) == limit:
                    return found
                if (hit := hits.get(document.place)) is not None:
                    found.hits.append(hit._replace(score=-score))
                found.next = page.group(Token(token.upto, after, -score, -position))
        # These were all: go on with those before them.
        earlier = await self._index.newest(page.query, page.reach.within(0, after), 1)
        found.next = page.group(Token(after)) if earlier else None
        return found

    async def _ranked(
        self, page: _Page, documents: Sequence[Document]
    ) -> list[tuple[float, Position, Document]]:
        """Return documents with the negatives of score and position, in the order of these."""
        slices = Slices(self._clock)
        ranked = []
        for document in documents:
            if page.may_match(document):
                score = relevance(document.words, page.criteria.terms)
                ranked.append((-score, -document.place.position, document))
            await slices.pause()
        return sorted(ranked)

    async def _hits(self, page: _Page, documents: Sequence[Document]) -> list[Hit]:
        """Return those of the documents that the user is shown, in their order."""
        hits: list[Hit] = []
        for start in range(0, len(documents), READ_AT_ONCE):
            if start:
                await give_way()
            part = [
                document for document in documents[start : start + READ_AT_ONCE] if page.may_match(document)
            ]
            events = await self._events.by_positions([document.place.position for document in part])
            stored = {event.position: event for event in events}
            for document in part:
                event = stored.get(document.place.position)
                if event is not None and (hit := await self._hit(page, document, event)) is not None:
                    hits.append(hit)
        return hits

    async def _hit(self, page: _Page, document: Document, event: StoredEvent) -> Hit | None:
        if event.redacted_by is not None or event.room != document.place.room:
            return None
        room_id = page.reach.room_ids[event.room]
        shown = TimelineEvent(event)
        if event.sender in page.ignored or not page.is_wanted(shown, room_id):
            return None
        readable = await self._readable(page, room_id)
        if readable is None or event.position > readable.upto:
            return None
        if await self._erasure.redacted(readable.room, [event], page.criteria.user_id):
            return None
        return Hit(readable, shown, document, 0.0)

    async def _readable(self, page: _Page, room_id: str) -> ReadableRoom | None:
        if room_id not in page.rooms:
            try:
                page.rooms[room_id] = await self._access.readable(room_id, page.criteria.user_id)
            except MatrixError as error:
                if error.status != 403:
                    raise
                page.rooms[room_id] = None
        return page.rooms[room_id]


@dataclass(slots=True)
class _Page:
    """What is known while one page is made."""

    criteria: SearchCriteria
    token: Token
    reach: Reach
    query: WordQuery
    ignored: frozenset[str]
    rooms: dict[str, ReadableRoom | None] = field(default_factory=dict)

    def group(self, token: Token) -> Token:
        """Return a token that stays within the group that is paged through."""
        return token.of_group(self.token.group_key, self.token.group_value)

    def may_match(self, document: Document) -> bool:
        """Return whether the words of a document are ones that the user may read: those of an edit may be too late."""
        place = document.place
        return not document.edit or self.reach.covers(place._replace(position=document.edit))

    def is_wanted(self, event: TimelineEvent, room_id: str) -> bool:
        stored = event.stored
        if stored.type not in self.criteria.types:
            return False
        if self.token.group_key == "sender" and stored.sender != self.token.group_value:
            return False
        return is_wanted(event, self.criteria.wanted, room_id, frozenset())


def _query(criteria: SearchCriteria, token: Token) -> WordQuery:
    groups = [term.alternatives for term in criteria.terms]
    types = sorted(criteria.types)
    if len(types) < len(KEYS):
        groups.append(tuple((type_tag(event_type),) for event_type in types))
    senders = [token.group_value] if token.group_key == "sender" else criteria.senders
    if senders is not None:
        groups.append(tuple((sender_tag(sender),) for sender in senders))
    if criteria.wanted.contains_url:
        groups.append(((URL_TAG,),))
    return WordQuery(tuple(groups))
