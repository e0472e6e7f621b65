"""Bodies of sliding sync (MSC4186), read into the one form that `hamrasan.sync.sliding` knows.

There are two dialects: that of the proposal, and that of its experimental predecessor, which is what clients send today
(the proposal lists the differences in its appendix). Unknown fields and extensions are ignored in both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Annotated, TypeVar

import msgspec

from hamrasan.protocol.errors import invalid_param
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.tokens import parse_message_token
from hamrasan.sync.sliding.extensions import THREAD_SUBSCRIPTIONS
from hamrasan.sync.sliding.request import (
    Extensions,
    ListConfig,
    RoomConfig,
    RoomFilters,
    Selection,
    SlidingRequest,
    ThreadSubscriptionsConfig,
    ToDeviceConfig,
)
from hamrasan.sync.sliding.required_state import Element, RequiredState
from hamrasan.sync.timelines import MAX_TIMELINE

MAX_LISTS = 100
"""The proposal's limit."""
MAX_SUBSCRIPTIONS = 100
"""The proposal's limit."""
MAX_EXPERIMENTAL_SUBSCRIPTIONS = 1_000
"""The predecessor had no limit: more rooms than anybody has open on their screens."""
MAX_RANGES = 20
"""Windows on one list; clients use one or two."""
MAX_ELEMENTS = 1_000
"""Elements of one `required_state`: a client names some dozens, and members that it wants to be sure of."""
MAX_NAMES = 1_000
"""Entries of one list of names in a filter or an extension; each is looked up for each room."""
MAX_CONN_ID = 255
"""Length of an opaque identifier ("Opaque Identifiers")."""
MAX_LIST_NAME = 255
"""The same; names are remembered with each connection."""
MAX_BODY_BYTES = 256 * 1024
"""Of a request: a hundred subscriptions take a third of that. What is asked for is remembered with each connection."""
MAX_MESSAGES = 100
"""Messages to the device in one answer, and how many come where the client does not say."""

MAX_SUBSCRIPTION_CHANGES = 100
"""Changes of subscriptions to threads in one answer, and how many come where the client does not say."""

EVERYTHING, ME, LAZY = "*", "$ME", "$LAZY"
"""What the predecessor writes in the place of types, state keys and names."""

_OPAQUE = re.compile(r"[0-9A-Za-z._~-]{1,255}", re.ASCII)

N = TypeVar("N", str, str | None)
Count = Annotated[int, msgspec.Meta(ge=0)]
Range = tuple[Count, Count]


class _ElementBody(msgspec.Struct):
    type: str | None = None
    state_key: str | None = None


class _RequiredStateBody(msgspec.Struct):
    include: list[_ElementBody] = []
    exclude: list[_ElementBody] = []
    lazy_members: bool = False


class _FiltersBody(msgspec.Struct):
    is_dm: bool | None = None
    spaces: list[str] | None = None
    is_encrypted: bool | None = None
    is_invited: bool | None = None
    is_invite: bool | None = None
    """The predecessor's name of `is_invited`."""
    room_types: list[str | None] | None = None
    not_room_types: list[str | None] | None = None
    tags: list[str] | None = None
    not_tags: list[str] | None = None


class _RoomBody(msgspec.Struct):
    timeline_limit: Count
    required_state: _RequiredStateBody


class _ListBody(_RoomBody):
    range: Range | None = None
    filters: _FiltersBody | None = None


class _SelectionBody(msgspec.Struct):
    enabled: bool | None = None
    lists: list[str] | None = None
    rooms: list[str] | None = None


class _ToDeviceBody(msgspec.Struct):
    enabled: bool | None = None
    limit: Count | None = None
    since: str | None = None


class _E2eeBody(msgspec.Struct):
    enabled: bool | None = None


class _ThreadSubscriptionsBody(msgspec.Struct):
    enabled: bool | None = None
    limit: Count | None = None


class _ExtensionsBody(msgspec.Struct):
    to_device: _ToDeviceBody | None = None
    e2ee: _E2eeBody | None = None
    account_data: _SelectionBody | None = None
    receipts: _SelectionBody | None = None
    typing: _SelectionBody | None = None
    thread_subscriptions: _ThreadSubscriptionsBody | None = msgspec.field(
        name=THREAD_SUBSCRIPTIONS, default=None
    )


class StableBody(msgspec.Struct):
    """The body as the proposal has it."""

    conn_id: str | None = None
    pos: str | None = None
    timeout: Count | None = None
    set_presence: str | None = None
    lists: dict[str, _ListBody] = {}
    room_subscriptions: dict[str, _RoomBody] = {}
    extensions: _ExtensionsBody | None = None


class _ExperimentalRoomBody(msgspec.Struct):
    timeline_limit: Count = 0
    required_state: list[tuple[str, str]] = []


class _ExperimentalListBody(_ExperimentalRoomBody):
    ranges: list[Range] | None = None
    slow_get_all_rooms: bool | None = None
    filters: _FiltersBody | None = None


class ExperimentalBody(msgspec.Struct):
    """The body as the proposal's predecessor has it; the rest is in the query."""

    conn_id: str | None = None
    lists: dict[str, _ExperimentalListBody] | None = None
    room_subscriptions: dict[str, _ExperimentalRoomBody] | None = None
    extensions: _ExtensionsBody | None = None


def read_stable(body: StableBody, reader: Reader) -> SlidingRequest:
    """Return what the proposal's body asks for. Raises `M_INVALID_PARAM` beyond a limit."""
    _check_count("lists", body.lists, MAX_LISTS)
    _check_count("room_subscriptions", body.room_subscriptions, MAX_SUBSCRIPTIONS)
    for name in body.lists:
        if not _OPAQUE.fullmatch(name):
            raise invalid_param(
                "The name of a list must have 1 to 255 of the characters 0-9, A-Z, a-z and '.', '_', '~', '-'."
            )
    return SlidingRequest(
        reader,
        _conn_id(body.conn_id),
        body.pos,
        {
            name: ListConfig(
                _room_config(wanted),
                _ranges(None if wanted.range is None else [wanted.range]),
                _filters(wanted),
            )
            for name, wanted in body.lists.items()
        },
        {room_id: _room_config(wanted) for room_id, wanted in body.room_subscriptions.items()},
        _extensions(body.extensions),
    )


def read_experimental(body: ExperimentalBody, pos: str | None, reader: Reader) -> SlidingRequest:
    """Return what the predecessor's body asks for. Raises `M_INVALID_PARAM` beyond a limit."""
    lists, subscriptions = body.lists or {}, body.room_subscriptions or {}
    _check_count("lists", lists, MAX_LISTS)
    _check_count("room_subscriptions", subscriptions, MAX_EXPERIMENTAL_SUBSCRIPTIONS)
    if any(len(name) > MAX_LIST_NAME for name in lists):
        raise invalid_param(f"The name of a list may have at most {MAX_LIST_NAME} characters.")
    user_id = reader.user_id
    return SlidingRequest(
        reader,
        _conn_id(body.conn_id),
        pos,
        {
            name: ListConfig(
                _experimental_config(wanted, user_id),
                None if wanted.slow_get_all_rooms else _ranges(wanted.ranges),
                _filters(wanted),
            )
            for name, wanted in lists.items()
        },
        {room_id: _experimental_config(wanted, user_id) for room_id, wanted in subscriptions.items()},
        _extensions(body.extensions),
        stable=False,
    )


def _check_count(field: str, values: Collection[object], most: int) -> None:
    if len(values) > most:
        raise invalid_param(f"The field '{field}' may have at most {most} entries.")


def _conn_id(conn_id: str | None) -> str:
    if conn_id is not None and len(conn_id) > MAX_CONN_ID:
        raise invalid_param(f"The field 'conn_id' may have at most {MAX_CONN_ID} characters.")
    return conn_id or ""


def _ranges(ranges: Collection[Range] | None) -> tuple[Range, ...] | None:
    if ranges is None:
        return None
    _check_count("ranges", ranges, MAX_RANGES)
    for first, last in ranges:
        if first > last:
            raise invalid_param(f"A range begins with its lower end; [{first}, {last}] does not.")
    return tuple(ranges)


def _room_config(wanted: _RoomBody) -> RoomConfig:
    state = wanted.required_state
    _check_count("required_state.include", state.include, MAX_ELEMENTS)
    _check_count("required_state.exclude", state.exclude, MAX_ELEMENTS)
    required = RequiredState(_elements(state.include), _elements(state.exclude), state.lazy_members)
    return RoomConfig(min(wanted.timeline_limit, MAX_TIMELINE), required)


def _elements(elements: Iterable[_ElementBody]) -> frozenset[Element]:
    return frozenset((element.type, element.state_key) for element in elements)


def _experimental_config(wanted: _ExperimentalRoomBody, user_id: str) -> RoomConfig:
    """Read elements in which words stand for what the proposal has fields for."""
    _check_count("required_state", wanted.required_state, MAX_ELEMENTS)
    lazy = ("m.room.member", LAZY)
    include: set[Element] = set()
    for type, state_key in wanted.required_state:
        if state_key != LAZY:
            key = {EVERYTHING: None, ME: user_id}.get(state_key, state_key)
            include.add((None if type == EVERYTHING else type, key))
    required = RequiredState(frozenset(include), frozenset(), lazy in wanted.required_state)
    return RoomConfig(min(wanted.timeline_limit, MAX_TIMELINE), required)


def _filters(wanted: _ListBody | _ExperimentalListBody) -> RoomFilters | None:
    body = wanted.filters
    if body is None:
        return None
    is_invited = body.is_invited if isinstance(wanted, _ListBody) else body.is_invite
    filters = RoomFilters(
        is_dm=body.is_dm,
        is_encrypted=body.is_encrypted,
        is_invited=is_invited,
        spaces=_names("spaces", body.spaces),
        room_types=_names("room_types", body.room_types),
        not_room_types=_names("not_room_types", body.not_room_types),
        tags=_names("tags", body.tags),
        not_tags=_names("not_tags", body.not_tags),
    )
    return None if filters == RoomFilters() else filters


def _names(field: str, names: list[N] | None) -> frozenset[N] | None:
    if names is None:
        return None
    _check_count(field, names, MAX_NAMES)
    return frozenset(names)


def _extensions(body: _ExtensionsBody | None) -> Extensions:
    if body is None:
        return Extensions()
    return Extensions(
        to_device=_to_device(body.to_device),
        e2ee=body.e2ee is not None and bool(body.e2ee.enabled),
        account_data=_selection("account_data", body.account_data),
        receipts=_selection("receipts", body.receipts),
        typing=_selection("typing", body.typing),
        thread_subscriptions=_thread_subscriptions(body.thread_subscriptions),
    )


def _to_device(body: _ToDeviceBody | None) -> ToDeviceConfig | None:
    if body is None or not body.enabled:
        return None
    since = 0 if body.since is None else parse_message_token(body.since)
    limit = MAX_MESSAGES if body.limit is None else min(body.limit, MAX_MESSAGES)
    return ToDeviceConfig(since, max(limit, 1))


def _thread_subscriptions(body: _ThreadSubscriptionsBody | None) -> ThreadSubscriptionsConfig | None:
    if body is None or not body.enabled:
        return None
    limit = MAX_SUBSCRIPTION_CHANGES if body.limit is None else min(body.limit, MAX_SUBSCRIPTION_CHANGES)
    return ThreadSubscriptionsConfig(max(limit, 1))


def _selection(extension: str, body: _SelectionBody | None) -> Selection | None:
    if body is None or not body.enabled:
        return None
    return Selection(
        _chosen(f"{extension}.lists", body.lists),
        _chosen(f"{extension}.rooms", body.rooms),
    )


def _chosen(field: str, names: list[str] | None) -> frozenset[str] | None:
    chosen = _names(field, names)
    return None if chosen is not None and EVERYTHING in chosen else chosen
