"""Which rooms a request is about (MSC4186, "Lists and subscriptions"): the user's, sorted, filtered, cut to windows.

Nothing is loaded for that but what the filters ask for: positions, types and encryption of all rooms are in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, Protocol

from hamrasan.accounts.direct_chats import DirectChats
from hamrasan.accounts.invite_permission import Hidden, HiddenInvites
from hamrasan.accounts.tagged_rooms import TaggedRooms, TagsOfRooms
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.rooms.history import MEMBER
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.invitations import NO_ROOM
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import MembershipRow, StateReader
from hamrasan.sync.notifier import UserStream
from hamrasan.sync.room_index import RoomIndex
from hamrasan.sync.sliding.connections import Connection
from hamrasan.sync.sliding.request import RoomConfig, RoomFilters, SlidingRequest
from hamrasan.sync.sliding.required_state import RequiredState, StateChoice, choice_of

INSIDE = frozenset({"join", "invite", "knock"})
LAST_EVENTS = 10
"""Events of a room that the user has left, where no list and no subscription says how many."""
MAX_KNOWN_STAYS = 100_000
"""Memberships of which it is remembered whether the user was ever inside; asked for those who were thrown out."""


class Entry(Protocol):
    """A room of the user's list."""

    @property
    def room_id(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def events(self) -> Position:
        """What the list is sorted by: of a room that the user is in, its last event, of others, their membership."""


class OtherRoom(NamedTuple):
    """An entry for a room that the user is not in."""

    room_id: str
    number: int
    events: Position


class Chosen(NamedTuple):
    """A room that the request is about."""

    row: MembershipRow
    choice: StateChoice
    timeline_limit: int
    lists: tuple[str, ...]
    """Those that it stands in, inside of their windows."""
    subscribed: bool


@dataclass(slots=True)
class Windows:
    """What a request is about."""

    counts: dict[str, int] = field(default_factory=dict)
    rooms: dict[str, Chosen] = field(default_factory=dict)
    """Those of the rooms of which there may be news, by room id, in the order in which they are told."""
    direct: frozenset[str] = frozenset()
    """The user's direct chats."""


class RoomLists:
    """Finds the rooms that requests are about."""

    def __init__(
        self,
        index: RoomIndex,
        registry: RoomRegistry,
        state: StateReader,
        direct: DirectChats,
        tagged: TaggedRooms,
        invites: HiddenInvites,
        clock: Clock,
    ) -> None:
        self._index = index
        self._registry = registry
        self._state = state
        self._direct = direct
        self._tagged = tagged
        self._invites = invites
        self._clock = clock
        self._was_inside: BoundedCache[tuple[int, str, Position], bool] = BoundedCache(MAX_KNOWN_STAYS)

    async def windows(self, request: SlidingRequest, stream: UserStream, connection: Connection) -> Windows:
        """Return what a request is about, by the user's rooms as they are at some moment of the call."""
        direct = await self._direct.of(stream.user_id)
        hidden = await self._invites.hidden_from(stream.user_id)
        tests = {
            wanted.filters: await self._test(wanted.filters, stream, direct)
            for wanted in request.lists.values()
            if wanted.filters is not None
        }
        slices = Slices(self._clock)
        for row in _not_joined(stream):
            if row.membership not in INSIDE and row.sender != row.user_id and row.room != NO_ROOM:
                await slices.pause()
                await self._learn_stay(row)
        others = _not_joined(stream)
        entries: list[Entry] = list(stream.joined.values())
        entries += self._others(others, connection, hidden)
        entries.sort(key=attrgetter("events"), reverse=True)
        windows = Windows(direct=direct)
        passing: dict[RoomFilters | None, Sequence[Entry]] = {None: entries}
        for filters, test in tests.items():
            await slices.pause()
            passing[filters] = [entry for entry in entries if test(entry)]
        inside: list[tuple[str, Iterable[Entry]]] = []
        for name, wanted in request.lists.items():
            passed = passing[wanted.filters]
            windows.counts[name] = len(passed)
            inside.append((name, _inside(passed, wanted.ranges)))
        places = await _places(inside, slices)
        self._choose(windows, request, stream, connection, places)
        return windows

    def _others(
        self, rows: Iterable[MembershipRow], connection: Connection, hidden: Hidden
    ) -> Iterable[OtherRoom]:
        """Return the rooms of the list that the user is not in (MSC4186, "Lists")."""
        for row in rows:
            membership = row.membership
            if membership == "invite":
                listed = not hidden(row.sender)
            elif membership == "knock":
                listed = True
            else:
                listed = self._is_thrown_out(row) or _knows_as_inside(connection, row.room_id)
            if listed:
                yield OtherRoom(row.room_id, row.room, row.position)

    def _is_thrown_out(self, row: MembershipRow) -> bool:
        """Return whether the user was kicked or banned from a room that they had been in, which is always shown."""
        return row.sender != row.user_id and not row.forgotten and self._stay(row)

    def _stay(self, row: MembershipRow) -> bool:
        return bool(self._was_inside.get((row.room, row.user_id, row.position)))

    async def _learn_stay(self, row: MembershipRow) -> None:
        """Find out whether a user has ever been in a room that they are not in."""
        key = (row.room, row.user_id, row.position)
        if key not in self._was_inside:
            versions = await self._state.versions(row.room, MEMBER, row.user_id)
            inside = any(parse_json(stored.content).get("membership") == "join" for stored in versions)
            self._was_inside.put(key, inside)

    def _choose(
        self,
        windows: Windows,
        request: SlidingRequest,
        stream: UserStream,
        connection: Connection,
        places: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Put the configurations of a room that stands in several places together; leave out what cannot be news."""
        known: dict[tuple[tuple[str, ...], RoomConfig | None], tuple[StateChoice, int]] = {}
        is_settled = _Settled(request, stream, connection, windows.direct)
        memberships, subscriptions = stream.memberships, request.subscriptions
        for room_id in (*subscriptions, *places):
            names, own = places.get(room_id, ()), subscriptions.get(room_id)
            config = known.get((names, own))
            if config is None:
                config = known[names, own] = _together(request, names, own)
            if is_settled(room_id, config) or room_id in windows.rooms:
                continue
            row = memberships.get(room_id)
            if row is not None:
                windows.rooms[room_id] = Chosen(row, *config, names, own is not None)
        for row in _not_joined(stream):
            # That the user has left is told, whichever lists the room stood in.
            if row.membership not in INSIDE and row.room_id not in windows.rooms:
                sent = connection.rooms.get(row.room_id)
                if sent is not None and sent.membership in INSIDE:
                    windows.rooms[row.room_id] = Chosen(row, sent.choice, LAST_EVENTS, (), False)

    async def _test(
        self, wanted: RoomFilters, stream: UserStream, direct: frozenset[str]
    ) -> Callable[[Entry], bool]:
        """Return what tells whether a room passes a filter."""
        index = self._index
        tests: list[Callable[[Entry], bool]] = []
        if wanted.is_dm is not None:
            tests.append(lambda entry: (entry.room_id in direct) is wanted.is_dm)
        if wanted.is_encrypted is not None:
            tests.append(lambda entry: index.is_encrypted(entry.number) is wanted.is_encrypted)
        if wanted.is_invited is not None:
            tests.append(
                lambda entry: (stream.memberships[entry.room_id].membership == "invite") is wanted.is_invited
            )
        if (types := wanted.room_types) is not None:
            tests.append(lambda entry: index.type_of(entry.number) in types)
        if (no_types := wanted.not_room_types) is not None:
            tests.append(lambda entry: index.type_of(entry.number) not in no_types)
        if wanted.spaces is not None:
            children = await self._children(stream, wanted.spaces)
            tests.append(lambda entry: entry.room_id in children)
        if wanted.tags is not None or wanted.not_tags is not None:
            tests.append(_tag_test(wanted, await self._tagged.of(stream.user_id)))
        if len(tests) == 1:
            return tests[0]
        return lambda entry: all(test(entry) for test in tests)

    async def _children(self, stream: UserStream, spaces: Iterable[str]) -> frozenset[str]:
        """Return the rooms that stand directly in those of these spaces that the user is in."""
        children: set[str] = set()
        for space in spaces:
            if space in stream.joined:
                room = await self._registry.get(space)
                for (type, room_id), entry in room.state.items():
                    # Without `via` the child has been taken out ("m.space.child").
                    if type == "m.space.child" and isinstance(entry.event.content.get("via"), list):
                        children.add(room_id)
        return frozenset(children)


def _not_joined(stream: UserStream) -> list[MembershipRow]:
    return [row for row in stream.memberships.values() if row.membership != "join"]


def _tag_test(wanted: RoomFilters, tags: TagsOfRooms) -> Callable[[Entry], bool]:
    none: frozenset[str] = frozenset()
    some, not_one = wanted.tags, wanted.not_tags or none

    def passes(entry: Entry) -> bool:
        of_room = tags.get(entry.room_id, none)
        return (some is None or not some.isdisjoint(of_room)) and not_one.isdisjoint(of_room)

    return passes


def _inside(entries: Sequence[Entry], ranges: tuple[tuple[int, int], ...] | None) -> Iterable[Entry]:
    """Return what stands in a list's windows, each room once."""
    if ranges is None:
        return entries
    if len(ranges) == 1:
        first, last = ranges[0]
        return entries[first : last + 1]
    inside: dict[int, Entry] = {}
    for first, last in ranges:
        for place in range(first, min(last + 1, len(entries))):
            inside[place] = entries[place]
    return inside.values()


async def _places(
    inside: Sequence[tuple[str, Iterable[Entry]]], slices: Slices
) -> dict[str, tuple[str, ...]]:
    """Return in which lists each room stands."""
    places: dict[str, tuple[str, ...]] = {}
    for name, entries in inside:
        await slices.pause()
        alone = (name,)
        if places:
            for entry in entries:
                places[entry.room_id] = places.get(entry.room_id, ()) + alone
        else:
            places = {entry.room_id: alone for entry in entries}
    return places


def _together(
    request: SlidingRequest, names: Sequence[str], own: RoomConfig | None
) -> tuple[StateChoice, int]:
    """Return what several configurations ask for together (MSC4186, "Combining room configs")."""
    configs = [request.lists[name].config for name in names]
    configs += [own] if own is not None else []
    required: frozenset[RequiredState] = frozenset(config.required_state for config in configs)
    return choice_of(required), max(config.timeline_limit for config in configs)


class _Settled:
    """Tells, by what is in memory, of which rooms a client has everything: of nearly all, with every answer."""

    __slots__ = ("_account_data", "_changed", "_joined", "_receipts", "_sent", "_typing")

    def __init__(
        self, request: SlidingRequest, stream: UserStream, connection: Connection, direct: frozenset[str]
    ) -> None:
        before, wanted = connection.mark, request.extensions
        self._sent = connection.rooms
        self._joined = stream.joined
        self._typing = before.typing
        self._changed = direct ^ before.direct
        self._receipts = wanted.receipts is not None
        self._account_data = wanted.account_data is not None
        if self._account_data and not before.account_data:
            self._sent = {}

    def __call__(self, room_id: str, config: tuple[StateChoice, int]) -> bool:
        sent = self._sent.get(room_id)
        if sent is None:
            return False
        activity = self._joined.get(room_id)
        return (
            activity is not None
            and activity.latest <= sent.upto
            and activity.typing <= self._typing
            and sent.choice is config[0]
            and config[1] <= sent.have
            and sent.membership == "join"
            and room_id not in self._changed
            and (sent.receipts or not self._receipts)
            and (sent.account_data or not self._account_data)
        )


def _knows_as_inside(connection: Connection, room_id: str) -> bool:
    sent = connection.rooms.get(room_id)
    return sent is not None and sent.membership in INSIDE
