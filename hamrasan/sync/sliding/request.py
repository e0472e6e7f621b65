"""What a client asks of sliding sync (MSC4186, "Request Body"), in the one form that both dialects are read into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hamrasan.rooms.rendering import Reader
from hamrasan.storage.ports.journal import Position
from hamrasan.sync.sliding.required_state import RequiredState


class RoomConfig(NamedTuple):
    """What is told of a room that matches a list or subscription."""

    timeline_limit: int
    required_state: RequiredState


class RoomFilters(NamedTuple):
    """Which rooms belong to a list; None asks for nothing."""

    is_dm: bool | None = None
    is_encrypted: bool | None = None
    is_invited: bool | None = None
    spaces: frozenset[str] | None = None
    room_types: frozenset[str | None] | None = None
    not_room_types: frozenset[str | None] | None = None
    tags: frozenset[str] | None = None
    not_tags: frozenset[str] | None = None


class ListConfig(NamedTuple):
    """A list: a window, or several, on the rooms that its filters let through."""

    config: RoomConfig
    ranges: tuple[tuple[int, int], ...] | None
    """Both ends are inside; None: all rooms."""
    filters: RoomFilters | None


class Selection(NamedTuple):
    """For which rooms an extension is wanted; None: for those of all lists, of all subscriptions."""

    lists: frozenset[str] | None = None
    rooms: frozenset[str] | None = None

    def chooses(self, room_id: str, lists: tuple[str, ...], subscribed: bool) -> bool:
        """Return whether a room is chosen that stands in these lists."""
        if lists and (self.lists is None or not self.lists.isdisjoint(lists)):
            return True
        return subscribed and (self.rooms is None or room_id in self.rooms)


class ToDeviceConfig(NamedTuple):
    """The extension for messages to the device (MSC3885)."""

    since: Position
    """The device has its messages up to here."""
    limit: int


class ThreadSubscriptionsConfig(NamedTuple):
    """The extension for subscriptions to threads (MSC4308)."""

    limit: int


@dataclass(slots=True)
class Extensions:
    """What a client wants besides rooms; None is what it does not want."""

    to_device: ToDeviceConfig | None = None
    e2ee: bool = False
    account_data: Selection | None = None
    receipts: Selection | None = None
    typing: Selection | None = None
    thread_subscriptions: ThreadSubscriptionsConfig | None = None


@dataclass(slots=True)
class SlidingRequest:
    """A request."""

    reader: Reader
    conn_id: str = ""
    pos: str | None = None
    lists: Mapping[str, ListConfig] = field(default_factory=dict)
    subscriptions: Mapping[str, RoomConfig] = field(default_factory=dict)
    extensions: Extensions = field(default_factory=Extensions)
    stable: bool = True
    """In the form of the proposal; else in that of its predecessor, which clients use until the proposal is merged."""
