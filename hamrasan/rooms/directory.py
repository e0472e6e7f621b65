"""The public room directory (client-server API, "Published Room Directory").

Its entries are kept in memory from the first question on and follow the committed feed, so that neither a question nor
a change depends on how many rooms there are, but for a pass over short texts when somebody searches.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import forbidden, invalid_param, not_found
from hamrasan.protocol.search_text import fold
from hamrasan.rooms.aliases import CANONICAL_ALIAS
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.summary import SUMMARY_KEYS, RoomSummary, summarize
from hamrasan.runtime.slices import give_way
from hamrasan.storage.ports.federated_rooms import StateFlipped
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import (
    DirectoryChanged,
    PublishRoom,
    RoomEvents,
    RoomReader,
    RoomRow,
    StateReader,
    UnpublishRoom,
)

DEFAULT_LIMIT = 50
"""Rooms of a page for clients that name no number: more than fit on a screen."""
MAX_LIMIT = 500
"""Rooms of a page at most: about 200 kB."""
MAX_SEARCH_CHARS = 200
"""Of a search text; names of rooms are shorter."""
_READ_AT_ONCE = 20
"""Rooms read from the store before others get their turn; about a millisecond."""
_LATEST = 2**62
"""A position after every other."""

_TOKEN = re.compile(r"d1_(?P<direction>[fb])_(?P<joined>[0-9]{1,10})_(?P<room_id>!.{1,254})", re.ASCII)

EVERY_LISTING = "*"
"""The public directory and those of all networks together; no instance of a network has this id."""
Listed = Callable[[], Awaitable[list[tuple[RoomRow, int]]]]
"""Reads the rooms of a directory, with how many users are in each."""

_Key = tuple[int, str]
"""What entries are ordered by: the largest rooms first."""


@dataclass(frozen=True, slots=True)
class DirectoryQuery:
    """What somebody asks the directory for."""

    limit: int | None = None
    since: str | None = None
    search: str | None = None
    room_types: frozenset[str | None] | None = None
    """Only rooms of these types; None in it stands for rooms without a type."""
    federating: bool = False
    """Only rooms that users of other servers can come into."""


@dataclass(frozen=True, slots=True)
class _Entry:
    summary: RoomSummary
    searched: str

    @property
    def key(self) -> _Key:
        return (-self.summary.num_joined_members, self.summary.room_id)


class Directory:
    """Answers and changes which rooms are listed."""

    def __init__(
        self,
        registry: RoomRegistry,
        rooms: RoomReader,
        state: StateReader,
        listing: str | None = None,
        listed: Listed | None = None,
    ) -> None:
        """`listing` names another directory than the public one, or `EVERY_LISTING`, and `listed` reads its rooms."""
        self._registry = registry
        self._rooms = rooms
        self._state = state
        self._listing = listing
        self._listed = listed or rooms.published
        self._entries: dict[str, _Entry] | None = None
        self._order: list[_Key] | None = None
        self._unread: set[str] = set()
        """Rooms whose entries are not up to date."""
        self._reading = asyncio.Lock()
        registry.journal.listen(RoomEvents, self._committed)
        registry.journal.listen(StateFlipped, self._flipped)
        registry.journal.listen(DirectoryChanged, self._listing_changed)
        registry.journal.on_failure(self._forget)

    async def is_listed(self, room_id: str) -> bool:
        """Return whether a room is listed; raises `M_NOT_FOUND` if there is no such room."""
        return await self._rooms.is_published((await self._row(room_id)).room)

    async def list_room(self, room_id: str, user_id: str, listed: bool, *, is_admin: bool) -> None:
        """Put a room into the directory or take it out, as a member who may set its aliases, or an administrator.

        Raises `M_NOT_FOUND`, `M_FORBIDDEN`.
        """
        room = await self._registry.get(room_id)
        levels = room.power_levels
        may = room.membership(user_id) == "join" and levels.of(user_id) >= levels.to_send(
            CANONICAL_ALIAS, True
        )
        if not (may or is_admin):
            raise forbidden("Only members who may set the room's address can list it.")
        write = PublishRoom(room.number) if listed else UnpublishRoom(room.number)
        change = DirectoryChanged(room.number, room.id, listed)
        await self._registry.journal.submit(Batch([write], feed=[change]))

    async def page(self, query: DirectoryQuery) -> dict[str, Any]:
        """Return a page of the directory, the largest rooms first. Raises `M_INVALID_PARAM`."""
        limit = min(query.limit or DEFAULT_LIMIT, MAX_LIMIT)
        direction, boundary = _parse_token(query.since)
        wanted = _filter(query)
        entries = await self._ready()
        order = self._ordered(entries)
        if direction == "b":
            end = bisect_left(order, boundary)
            found = list(islice(_matching(entries, reversed(order[:end]), wanted), limit + 1))
            more_before, more_after = len(found) > limit, True
            shown = found[:limit][::-1]
        else:
            start = 0 if query.since is None else bisect_right(order, boundary)
            found = list(islice(_matching(entries, order[start:], wanted), limit + 1))
            more_before = next(_matching(entries, order[:start], wanted), None) is not None
            more_after = len(found) > limit
            shown = found[:limit]
        answer: dict[str, Any] = {
            "chunk": [entry.summary.chunk() for entry in shown],
            "total_room_count_estimate": len(order),
        }
        if shown and more_after:
            answer["next_batch"] = _token("f", shown[-1].summary)
        if shown and more_before:
            answer["prev_batch"] = _token("b", shown[0].summary)
        return answer

    # Keeping the entries.

    def _ordered(self, entries: dict[str, _Entry]) -> list[_Key]:
        if self._order is None:
            self._order = sorted(e.key for e in entries.values() if e.summary.num_joined_members)
        return self._order

    async def _ready(self) -> dict[str, _Entry]:
        """Return all entries, up to date as long as the caller does not wait."""
        async with self._reading:
            while self._entries is None or self._unread:
                await self._read()
        return self._entries

    async def _read(self) -> None:
        """Read the entries that are not in memory; what changes meanwhile is read again."""
        known, unread = self._entries, self._unread
        self._unread = set()
        try:
            read = {}
            for index, (row, joined) in enumerate(await self._listed()):
                if known is None or row.room_id in unread:
                    read[row.room_id] = await self._read_entry(row, joined)
                if index % _READ_AT_ONCE == _READ_AT_ONCE - 1:
                    await give_way()
        except BaseException:
            self._unread |= unread
            raise
        if self._entries is not known:
            return  # forgotten meanwhile
        rest = {} if known is None else {key: entry for key, entry in known.items() if key not in unread}
        self._entries, self._order = rest | read, None

    async def _read_entry(self, row: RoomRow, joined: int) -> _Entry:
        stored = await self._state.at(row.room, _LATEST, SUMMARY_KEYS)
        contents: dict[str, dict[str, Any]] = {event.type: parse_json(event.content) for event in stored}
        return _entry(summarize(row, joined, lambda event_type: contents.get(event_type, {})))

    def _committed(self, item: RoomEvents) -> None:
        if self._is_read(item.room_id) and _changes_state(item):
            self._changed(item.room_id)

    def _flipped(self, item: StateFlipped) -> None:
        if self._is_read(item.room_id):
            self._changed(item.room_id)

    def _is_read(self, room_id: str) -> bool:
        return self._reading.locked() if self._entries is None else room_id in self._entries

    def _listing_changed(self, change: DirectoryChanged) -> None:
        if self._listing not in (change.listing, EVERY_LISTING):
            return
        if self._reading.locked():
            self._unread.add(change.room_id)
        elif self._entries is None:
            return
        elif self._listing == EVERY_LISTING:
            self._unread.add(change.room_id)  # it may be listed elsewhere as well
        elif change.published:
            self._changed(change.room_id)
        elif self._entries.pop(change.room_id, None) is not None:
            self._order = None

    def _changed(self, room_id: str) -> None:
        """Bring the entry of a room up to date, now if the room is in memory."""
        room = self._registry.loaded(room_id)
        if room is None or self._entries is None or self._reading.locked():
            self._unread.add(room_id)
            return
        before = self._entries.get(room_id)
        entry = self._entries[room_id] = _entry(summarize(room.row, room.joined, room.content))
        if before is None or before.key != entry.key:
            self._order = None

    def _forget(self) -> None:
        """Read everything again: what was kept may count members whose join could not be stored."""
        self._entries = self._order = None

    async def _row(self, room_id: str) -> RoomRow:
        rows = await self._rooms.rooms([room_id])
        if not rows:
            raise not_found("This room is not known here.")
        return rows[0]


def _changes_state(changed: RoomEvents) -> bool:
    return any(event.state_key is not None for event in changed.events)


def _entry(summary: RoomSummary) -> _Entry:
    texts = (summary.name, summary.topic, summary.canonical_alias)
    return _Entry(summary, "\n".join(_folded(text) for text in texts if text))


def _folded(text: str) -> str:
    """Return `text` as it is compared: as it is searched, with a space where words are joined by half a one."""
    return " ".join(fold(text).replace("\u200c", " ").split())


def _filter(query: DirectoryQuery) -> Callable[[_Entry], bool]:
    search, types = query.search or "", query.room_types
    if len(search) > MAX_SEARCH_CHARS:
        raise invalid_param(f"A search text may have at most {MAX_SEARCH_CHARS} characters.")
    wanted = _folded(search).strip()

    def matches(entry: _Entry) -> bool:
        if query.federating and not entry.summary.federates:
            return False
        return (types is None or entry.summary.room_type in types) and wanted in entry.searched

    return matches


def _matching(
    entries: dict[str, _Entry], keys: Iterable[_Key], wanted: Callable[[_Entry], bool]
) -> Iterator[_Entry]:
    return (entry for _, room_id in keys if wanted(entry := entries[room_id]))


def _token(direction: str, summary: RoomSummary) -> str:
    return f"d1_{direction}_{summary.num_joined_members}_{summary.room_id}"


def _parse_token(text: str | None) -> tuple[str, _Key]:
    """Return the direction of a pagination token and the entry that it stands at."""
    if text is None:
        return "f", (0, "")
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise invalid_param("'since' is not a token of this directory; begin again without it.")
    return match["direction"], (-int(match["joined"]), match["room_id"])
