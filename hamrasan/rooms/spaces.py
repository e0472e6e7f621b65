"""The tree of rooms below a space (client-server API, "Spaces").

A look through a tree is remembered as a *walk*: the rooms that were found so far, in order, and those that are still to
be looked at. A page is a stretch of it, so asking for a page again gives it again, and a room that joins the space
meanwhile shifts nothing. Whether somebody may hear of a room is asked for every page anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from hamrasan.protocol.canonical_json import json_string, parse_json
from hamrasan.protocol.errors import MatrixError, forbidden, invalid_param
from hamrasan.rooms.discovery import Discovery, FoundRoom
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.rooms import StateReader, StoredEvent

SPACE = "m.space"
CHILD = "m.space.child"

DEFAULT_LIMIT = 50
"""Rooms of a page: more than a screen shows, and some milliseconds of reading."""
MAX_LIMIT = 100
MAX_DEPTH = 50
"""Levels below a space that are looked at; people make three or four."""
MAX_CHILDREN = 1_000
"""Children of one space that are looked at: every one of them is in the answer of that space."""
MAX_CHILDREN_BYTES = 512 * 1024
"""... as long as they have no more bytes: the content of each may have 64 KiB."""
MAX_PAGE_BYTES = 1024 * 1024
"""After so many bytes of children a page ends, be it short."""
MAX_WALK = 5_000
"""Rooms that one walk looks at; remembering them takes a megabyte."""
MAX_WALKS = 200
"""Walks that are remembered at the same time, for everybody together."""
MAX_WALKS_OF_USER = 3
"""... and for one user: one for each device that pages through a space just now."""
WALK_LIFETIME_S = 600.0
"""How long nobody may ask for a walk's next page: as long as the tokens of mutual rooms are to be good for."""
MAX_ORDER_CHARS = 50
"""Of a child's `order` (`m.space.child`)."""

MAX_VIA = 10
"""Servers of a child that are kept in mind."""

_ORDER = re.compile(rf"[\x20-\x7E]{{1,{MAX_ORDER_CHARS}}}", re.ASCII)
_TOKEN = re.compile(r"h1_([A-Za-z]{1,32})_([0-9]{1,6})", re.ASCII)
_TOKEN_LETTERS = 16


class SpaceQuery(NamedTuple):
    """What somebody wants to see of a tree."""

    user_id: str
    room_id: str
    suggested_only: bool
    max_depth: int


class Child(NamedTuple):
    """A room in a space, by the event that says so."""

    room_id: str
    event: StoredEvent
    order: str | None
    suggested: bool
    via: list[str]

    @property
    def key(self) -> tuple[bool, str, int, str]:
        """What children are ordered by ("Ordering of children within a space")."""
        return self.order is None, self.order or "", self.event.origin_server_ts, self.room_id


def parse_child(event: StoredEvent) -> Child | None:
    """Return the child that an `m.space.child` names; None if it names none."""
    room_id, content = event.state_key or "", parse_json(event.content)
    via, order = content.get("via"), content.get("order")
    if not room_id.startswith("!") or not isinstance(via, list) or not via:
        return None
    if not all(isinstance(server, str) for server in via):
        return None
    valid = isinstance(order, str) and _ORDER.fullmatch(order) is not None
    return Child(room_id, event, order if valid else None, content.get("suggested") is True, via[:MAX_VIA])


class RoomElsewhere(NamedTuple):
    """A room that this server does not know, as another one tells of it."""

    fields: dict[str, Any]
    """The JSON object `RoomSummary` of the specification."""
    children: list[dict[str, Any]]
    """Stripped `m.space.child` events with `origin_server_ts`."""


class FindElsewhere(Protocol):
    """Asks other servers for rooms."""

    async def find(
        self, room_id: str, via: Iterable[str], user_id: str | None, suggested_only: bool = False
    ) -> RoomElsewhere | None:
        """Return what other servers tell of a room, None if they tell nothing that the user may hear."""


@dataclass(slots=True)
class _Walk:
    query: SpaceQuery
    asked_at: float
    found: list[str] = field(default_factory=list)
    """Rooms of the pages so far."""
    pending: list[tuple[str, int]] = field(default_factory=list)
    """Rooms to look at with their depths, the next one last."""
    via: dict[str, list[str]] = field(default_factory=dict)
    """Servers through which rooms can be reached, as their spaces say."""
    seen: set[str] = field(default_factory=set)
    going_on: asyncio.Lock = field(default_factory=asyncio.Lock)


class Spaces:
    """Looks through spaces."""

    def __init__(
        self,
        discovery: Discovery,
        elsewhere: FindElsewhere,
        state: StateReader,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._discovery = discovery
        self._elsewhere = elsewhere
        self._state = state
        self._clock = clock
        self._entropy = entropy
        self._walks: dict[str, _Walk] = {}
        """By name, the one that was asked for least lately first."""

    async def page(
        self, query: SpaceQuery, limit: int, token: str | None, via: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return the next `limit` rooms of a tree, depth first, and the token for those after them.

        `via` are servers that may know the first of them.

        Raises `M_FORBIDDEN` for a room that the user may not hear of, `M_INVALID_PARAM` for a token that is none, has
        expired, or belongs to another query.
        """
        if token is None:
            name, start = None, 0
            walk = _Walk(query, self._clock.monotonic(), pending=[(query.room_id, 0)])
            walk.via[query.room_id] = list(via)
            if await self._look(walk, query.room_id) is None:
                raise forbidden("You may not see this room, or there is none.")
        else:
            name, start = _parse_token(token)
            walk = self._recall(name, query)
            if start > len(walk.found):
                raise _unknown_token()
        async with walk.going_on:
            rooms, end, more = await self._stretch(walk, start, limit)
        answer: dict[str, Any] = {"rooms": rooms}
        if more:
            name = self._remember(walk) if name is None else name
            answer["next_batch"] = f"h1_{name}_{end}"
        return answer

    async def _stretch(self, walk: _Walk, start: int, limit: int) -> tuple[list[orjson.Fragment], int, bool]:
        """Return up to `limit` rooms from the one with number `start` on, where they end, and if there are more."""
        rooms: list[orjson.Fragment] = []
        size, index, slices = 0, start, Slices(self._clock)
        while len(rooms) < limit and size < MAX_PAGE_BYTES:
            await slices.pause()
            if index < len(walk.found):
                place = await self._look(walk, walk.found[index])
            else:
                place = await self._next(walk)
                if place is None:
                    return rooms, index, False
            index += 1
            if place is not None:
                size += len(place.rendered)
                rooms.append(orjson.Fragment(place.rendered))
        return rooms, index, index < len(walk.found) or self._goes_on(walk)

    @staticmethod
    def _goes_on(walk: _Walk) -> bool:
        return bool(walk.pending) and len(walk.seen) < MAX_WALK

    async def _look(self, walk: _Walk, room_id: str) -> _Place | None:
        """Return what the user may hear of a room, here or from other servers."""
        query = walk.query
        found = await self._discovery.find(room_id, query.user_id)
        if found is not None:
            children = await self.children(found, query.suggested_only)
            return _Place(rendered(found, children), [(child.room_id, child.via) for child in children])
        via = walk.via.get(room_id)
        if not via and ":" not in room_id:
            return None  # nobody is known who could be asked
        elsewhere = await self._elsewhere.find(room_id, via or (), query.user_id, query.suggested_only)
        return None if elsewhere is None else _place_elsewhere(elsewhere, query)

    async def _next(self, walk: _Walk) -> _Place | None:
        """Go on to the next room of a walk that its user may hear of; None at the end of the tree."""
        slices = Slices(self._clock)
        while self._goes_on(walk):
            room_id, depth = walk.pending[-1]
            if room_id in walk.seen:
                walk.pending.pop()
                continue
            await slices.pause()
            place = await self._look(walk, room_id)
            walk.pending.pop()  # only now: who gives up waiting leaves the walk as it was
            walk.seen.add(room_id)
            if place is None:
                continue
            walk.found.append(room_id)
            if depth < walk.query.max_depth:
                below = [(child, via) for child, via in place.children if child not in walk.seen]
                walk.via.update(below)
                walk.pending += [(child, depth + 1) for child, _ in reversed(below)]
                del walk.pending[:-MAX_WALK]
            return place
        return None

    async def children(self, found: FoundRoom, suggested_only: bool) -> list[Child]:
        """Return the children of a space in their order; of no other room."""
        if found.summary.room_type != SPACE:
            return []
        events = await self._state.of_type(found.row.room, CHILD, MAX_CHILDREN)
        parsed = (parse_child(event) for event in events)
        children = sorted(
            (child for child in parsed if child is not None and (child.suggested or not suggested_only)),
            key=lambda child: child.key,
        )
        size = 0
        for index, child in enumerate(children):
            size += len(child.event.content)
            if size > MAX_CHILDREN_BYTES:
                return children[:index]
        return children

    # Walks that go on with another request.

    def _remember(self, walk: _Walk) -> str:
        user_id = walk.query.user_id
        own = [name for name, other in self._walks.items() if other.query.user_id == user_id]
        for name in own[: 1 - MAX_WALKS_OF_USER] if len(own) >= MAX_WALKS_OF_USER else ():
            del self._walks[name]
        if len(self._walks) >= MAX_WALKS:
            del self._walks[next(iter(self._walks))]
        name = self._entropy.id(_TOKEN_LETTERS)
        self._walks[name] = walk
        return name

    def _recall(self, name: str, query: SpaceQuery) -> _Walk:
        now = self._clock.monotonic()
        for other, walk in list(self._walks.items()):
            if walk.asked_at + WALK_LIFETIME_S >= now:
                break  # the others were asked for later
            del self._walks[other]
        found = self._walks.get(name)
        if found is None or (found.query.user_id, found.query.room_id) != (query.user_id, query.room_id):
            raise _unknown_token()
        if found.query != query:
            raise invalid_param("'suggested_only' and 'max_depth' cannot change from one page to the next.")
        found.asked_at = now
        del self._walks[name]
        self._walks[name] = found
        return found


class _Place(NamedTuple):
    """A room of a tree."""

    rendered: bytes
    children: list[tuple[str, list[str]]]
    """Their ids, and servers through which they can be reached, in their order."""


def _place_elsewhere(room: RoomElsewhere, query: SpaceQuery) -> _Place:
    """Return a room as another server tells of it, with its children in their order."""
    children: list[tuple[tuple[bool, str, int, str], list[str], dict[str, Any]]] = []
    for event in room.children if room.fields.get("room_type") == SPACE else ():
        content, child_id = event["content"], event["state_key"]
        via, order = content.get("via"), content.get("order")
        if not child_id.startswith("!") or not isinstance(via, list) or not via:
            continue
        if query.suggested_only and content.get("suggested") is not True:
            continue
        valid = isinstance(order, str) and _ORDER.fullmatch(order) is not None
        key = (not valid, order if valid else "", event["origin_server_ts"], child_id)
        named = [server for server in via if isinstance(server, str)]
        children.append((key, named[:MAX_VIA], event))
    children.sort(key=lambda child: child[0])
    rendered = orjson.dumps({**room.fields, "children_state": [event for _, _, event in children]})
    return _Place(rendered, [(event["state_key"], via) for _, via, event in children])


def rendered(found: FoundRoom, children: Sequence[Child]) -> bytes:
    """Return the JSON of a room with its children's stripped events."""
    fields = orjson.dumps(found.fields())
    return b'%b,"children_state":[%b]}' % (
        fields[:-1],
        b",".join(_stripped(child.event) for child in children),
    )


def _stripped(event: StoredEvent) -> bytes:
    """Return a child's stripped event with the time that children are ordered by."""
    return b'{"type":%b,"state_key":%b,"sender":%b,"content":%b,"origin_server_ts":%d}' % (
        json_string(event.type),
        json_string(event.state_key or ""),
        json_string(event.sender),
        event.content,
        event.origin_server_ts,
    )


def _parse_token(text: str) -> tuple[str, int]:
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise _unknown_token()
    return match[1], int(match[2])


def _unknown_token() -> MatrixError:
    return invalid_param("'from' is no token of this space, or has expired; begin again without it.")
