"""Filters of the client-server API ("Filtering"): which events a client wants to see, and how much of each.

A filter is read once (`parse_filter`) and then asked per event. `matches_everything` and `matches_nothing` spare the
common cases even that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

import msgspec

from hamrasan.protocol.errors import bad_json
from hamrasan.protocol.globs import StarPatterns
from hamrasan.protocol.property_paths import parse_property_path

DEFAULT_EVENT_LIMIT = 10
"""Events of a page where the client does not say (the default of `/messages` and `/context`)."""
MAX_EVENT_LIMIT = 1000
"""Events of a page at most, whatever the client asks: a page is built in memory."""
MAX_FILTER_ENTRIES = 1000
"""Entries of one list of a filter: lists are asked for each event, and stored filters are kept for good."""
MAX_ENTRY_LENGTH = 1024
"""Characters of one entry: a path or a pattern may be longer than the longest identifier (255), not by much."""

UNSET = msgspec.UNSET
_Names = list[str] | msgspec.UnsetType
_T = TypeVar("_T")


class EventFormat(Enum):
    """In what form events are returned."""

    CLIENT = "client"
    FEDERATION = "federation"


class _RawEventFilter(msgspec.Struct):
    """`EventFilter` as it comes over the wire; an absent list and an empty one differ."""

    limit: int | msgspec.UnsetType = UNSET
    types: _Names = UNSET
    not_types: _Names = UNSET
    senders: _Names = UNSET
    not_senders: _Names = UNSET


class _RawRoomEventFilter(_RawEventFilter):
    """`RoomEventFilter` as it comes over the wire."""

    rooms: _Names = UNSET
    not_rooms: _Names = UNSET
    contains_url: bool | msgspec.UnsetType = UNSET
    lazy_load_members: bool = False
    include_redundant_members: bool = False
    unread_thread_notifications: bool = False


class _RawRoomFilter(msgspec.Struct):
    """`RoomFilter` as it comes over the wire."""

    rooms: _Names = UNSET
    not_rooms: _Names = UNSET
    include_leave: bool = False
    timeline: _RawRoomEventFilter = msgspec.field(default_factory=_RawRoomEventFilter)
    state: _RawRoomEventFilter = msgspec.field(default_factory=_RawRoomEventFilter)
    ephemeral: _RawRoomEventFilter = msgspec.field(default_factory=_RawRoomEventFilter)
    account_data: _RawRoomEventFilter = msgspec.field(default_factory=_RawRoomEventFilter)


class _RawFilter(msgspec.Struct):
    """`Filter` as it comes over the wire."""

    event_fields: _Names = UNSET
    event_format: EventFormat = EventFormat.CLIENT
    presence: _RawEventFilter = msgspec.field(default_factory=_RawEventFilter)
    account_data: _RawEventFilter = msgspec.field(default_factory=_RawEventFilter)
    room: _RawRoomFilter = msgspec.field(default_factory=_RawRoomFilter)


class _Choice:
    """Identifiers to include (None: all) and to exclude; what is in both is excluded."""

    __slots__ = ("exclude", "include")

    def __init__(self, include: frozenset[str] | None, exclude: frozenset[str]) -> None:
        self.include = include
        self.exclude = exclude

    @property
    def everything(self) -> bool:
        """Return whether every identifier is chosen."""
        return self.include is None and not self.exclude

    @property
    def nothing(self) -> bool:
        """Return whether no identifier can be chosen."""
        return self.include is not None and self.include <= self.exclude

    def has(self, identifier: str | None) -> bool:
        """Return whether `identifier` is chosen; None is in no list."""
        return (self.include is None or identifier in self.include) and identifier not in self.exclude


class EventFilter:
    """Which events of one section (presence, account data) a client wants.

    `limit` is None where the client does not say; `effective_limit` applies the default and the maximum.
    """

    def __init__(self, raw: _RawEventFilter, path: str) -> None:
        self.limit = _read_limit(raw.limit, path)
        types = _read_names(raw.types, f"{path}.types")
        self._types = None if types is None else StarPatterns(types)
        self._not_types = StarPatterns(_read_names(raw.not_types, f"{path}.not_types") or ())
        self._senders = _read_choice(raw.senders, raw.not_senders, f"{path}.senders", "@")
        self.matches_everything = (
            (self._types is None or self._types.matches_all)
            and not self._not_types
            and self._senders.everything
        )
        """No event needs to be tested."""
        self.matches_nothing = (
            (self._types is not None and not self._types)
            or self._not_types.matches_all
            or self._senders.nothing
        )
        """The whole section can be left out."""

    def matches_type(self, event_type: str) -> bool:
        """Return whether events of this type are wanted."""
        return (self._types is None or self._types.match(event_type)) and not (
            self._not_types and self._not_types.match(event_type)
        )

    def matches(self, event_type: str, sender: str | None) -> bool:
        """Return whether the client wants this event; account data has no sender."""
        return self.matches_everything or (self._senders.has(sender) and self.matches_type(event_type))

    def effective_limit(self, default: int = DEFAULT_EVENT_LIMIT, maximum: int = MAX_EVENT_LIMIT) -> int:
        """Return how many events to return at most."""
        return min(default if self.limit is None else self.limit, maximum)


class RoomEventFilter(EventFilter):
    """Which events of one section of a room a client wants."""

    def __init__(self, raw: _RawRoomEventFilter, path: str) -> None:
        super().__init__(raw, path)
        self._rooms = _read_choice(raw.rooms, raw.not_rooms, f"{path}.rooms", "!")
        self.contains_url = None if raw.contains_url is UNSET else raw.contains_url
        """Whether only events with (True) or without (False) `content.url` are wanted; None: both."""
        self.lazy_load_members = raw.lazy_load_members
        self.include_redundant_members = raw.include_redundant_members
        self.unread_thread_notifications = raw.unread_thread_notifications
        self.matches_everything = (
            self.matches_everything and self._rooms.everything and self.contains_url is None
        )
        self.matches_nothing = self.matches_nothing or self._rooms.nothing

    def matches_room(self, room_id: str) -> bool:
        """Return whether any event of this room can be wanted."""
        return self._rooms.has(room_id)

    def matches_event(self, event_type: str, sender: str | None, room_id: str, has_url: bool) -> bool:
        """Return whether the client wants this event; ephemeral events and account data have no sender."""
        return self.matches_everything or (
            (self.contains_url is None or self.contains_url is has_url)
            and self._rooms.has(room_id)
            and self._senders.has(sender)
            and self.matches_type(event_type)
        )


class RoomFilter:
    """Which rooms a client wants, and which events of them."""

    def __init__(self, raw: _RawRoomFilter) -> None:
        self._rooms = _read_choice(raw.rooms, raw.not_rooms, "room.rooms", "!")
        self.include_leave = raw.include_leave
        """Rooms that the user has left are wanted too."""
        self.timeline = RoomEventFilter(raw.timeline, "room.timeline")
        self.state = RoomEventFilter(raw.state, "room.state")
        self.ephemeral = RoomEventFilter(raw.ephemeral, "room.ephemeral")
        self.account_data = RoomEventFilter(raw.account_data, "room.account_data")

    @property
    def matches_every_room(self) -> bool:
        """Return whether no room needs to be tested."""
        return self._rooms.everything

    def matches_room(self, room_id: str) -> bool:
        """Return whether anything of this room is wanted."""
        return self._rooms.has(room_id)


class Filter:
    """What a client wants to see in `/sync`."""

    def __init__(self, raw: _RawFilter) -> None:
        fields = _read_names(raw.event_fields, "event_fields")
        self.event_fields = None if fields is None else tuple(parse_property_path(field) for field in fields)
        """Paths of the properties that events are reduced to; None: events stay whole."""
        self.event_format = raw.event_format
        self.presence = EventFilter(raw.presence, "presence")
        self.account_data = EventFilter(raw.account_data, "account_data")
        self.room = RoomFilter(raw.room)

    @property
    def keeps_stored_bytes(self) -> bool:
        """Return whether events go out in the form in which they are stored for clients."""
        return self.event_fields is None and self.event_format is EventFormat.CLIENT

    def apply_event_fields(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `event` with no more than the properties that the filter asks for."""
        return event if self.event_fields is None else select_fields(event, self.event_fields)


def parse_filter(value: Any) -> Filter:
    """Read a filter (`POST /user/{userId}/filter`, inline `filter` of `/sync`) from a JSON value.

    Unknown keys are ignored. Raises `M_BAD_JSON` for anything that has not the type or form that the API defines.
    """
    return Filter(_convert(value, _RawFilter))


def parse_room_event_filter(value: Any) -> RoomEventFilter:
    """Read a `RoomEventFilter` (`filter` of `/messages`, `/context` and `/search`); raises `M_BAD_JSON`."""
    return RoomEventFilter(_convert(value, _RawRoomEventFilter), "filter")


def select_fields(event: Mapping[str, Any], paths: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """Return a copy of `event` with no more than the properties that `paths` lead to."""
    selected: dict[str, Any] = {}
    for path in paths:
        _copy_property(event, selected, path)
    return selected


def _copy_property(source: Any, target: dict[str, Any], path: tuple[str, ...]) -> None:
    """Copy what `path` leads to from `source` into `target`, with the objects on the way, if it is there."""
    *parents, last = path
    steps: list[str] = []
    for name in parents:
        if not isinstance(source, Mapping) or name not in source:
            return
        source = source[name]
        steps.append(name)
    if not isinstance(source, Mapping) or last not in source:
        return
    for name in steps:
        target = target.setdefault(name, {})
    # If a longer path was here before, its partial copy gives way to the whole.
    target[last] = source[last]


def _convert(value: Any, raw_type: type[_T]) -> _T:
    """Check the types of a JSON value."""
    try:
        return msgspec.convert(value, raw_type)
    except msgspec.ValidationError as error:
        raise bad_json(f"The filter is not valid: {error}.") from None


def _read_limit(limit: int | msgspec.UnsetType, path: str) -> int | None:
    """Return the limit; 0, which some clients send although the API forbids it, is taken as 1."""
    if limit is UNSET:
        return None
    if limit < 0:
        raise bad_json(f"The filter is not valid: '{path}.limit' must be greater than 0.")
    return max(limit, 1)


def _read_names(names: _Names, path: str) -> list[str] | None:
    """Return a list of the filter, or None where it is absent; raise `M_BAD_JSON` beyond the limits."""
    if names is UNSET:
        return None
    if len(names) > MAX_FILTER_ENTRIES:
        raise bad_json(f"The filter is not valid: '{path}' has more than {MAX_FILTER_ENTRIES} entries.")
    if any(len(name) > MAX_ENTRY_LENGTH for name in names):
        raise bad_json(
            f"The filter is not valid: '{path}' has an entry of more than {MAX_ENTRY_LENGTH} characters."
        )
    return names


def _read_choice(include: _Names, exclude: _Names, path: str, sigil: str) -> _Choice:
    """Read a pair of lists of user or room ids, which must begin with their sigil."""
    included, excluded = _read_names(include, path), _read_names(exclude, path)
    for identifier in (*(included or ()), *(excluded or ())):
        if not identifier.startswith(sigil):
            kind = "user" if sigil == "@" else "room"
            raise bad_json(f"The filter is not valid: '{identifier}' in '{path}' is not a {kind} id.")
    return _Choice(None if included is None else frozenset(included), frozenset(excluded or ()))
