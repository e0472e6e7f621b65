"""What is kept of rooms that other servers are in, beside what every room has.

A room is a list of events as long as all its servers agree; then nothing of this is written. A fork costs only where
it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from hamrasan.protocol.event import StateKey
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent

OUTLIER, REJECTED, SOFT_FAILED = "outlier", "rejected", "soft_failed"
"""Kinds of events that are kept beside the rooms: without a place, refused by the rules, refused by the state now."""


class HistoryEvent(StoredEvent):
    """An event from before this server was in the room; its position is below zero."""

    __slots__ = ()


class OutsideEvent(StoredEvent):
    """An event of the room's state that is in no timeline (flag `OUTSIDE`)."""

    __slots__ = ()


class MoveEvent(NamedTuple):
    """An event outside the timeline got a place in it, where it is written anew: what points to it points there."""

    to: Position
    room: int
    type: str
    state_key: str
    position: Position
    """Where it was."""


class SideEvent(NamedTuple):
    """An event is kept beside the room; replaces what was said of it before."""

    event_id: str
    room: int
    kind: str
    pdu: bytes
    """JSON in federation format, with signatures."""


class DropSideEvent(NamedTuple):
    """An event is no longer beside the room, but in it."""

    event_id: str


class BranchState(NamedTuple):
    """The state after an event, where it is not the room's state as it was at the event's own position."""

    event_id: str
    room: int
    position: Position
    """It is the room's state at this position ..."""
    delta: bytes
    """... with these changes: JSON array of [type, state key, event id or null]."""


class AddExtremity(NamedTuple):
    """One of several last events of a room."""

    room: int
    event_id: str
    depth: int


class DropExtremities(NamedTuple):
    """The room's last event, by position, is its only one again, or others are written anew after this."""

    room: int


class PutFederatedRoom(NamedTuple):
    """What is special about a room; replaces what was said before."""

    room: int
    seeded: Position
    """The event by which this server came into the room; 0 for a room that began here."""
    forked: Position
    """The first event that did not follow the one before it; 0 for none."""
    flipped: Position
    """The last event that changed more of the state than its own key; 0 for none."""
    missing: bytes
    """JSON array: the events before the oldest known one, for which others may be asked."""
    awaited: bytes
    """JSON array: events that are not known, while some that follow them are; if they come they are no last events."""


class DropMembership(NamedTuple):
    """A user turns out never to have had a membership of the room."""

    room: int
    user_id: str


class PendingRedaction(NamedTuple):
    """A redaction came before the event that it redacts."""

    room: int
    target: str
    redaction: str


class DropPendingRedaction(NamedTuple):
    """The redacted event has come."""

    room: int
    target: str


class StateFlipped(NamedTuple):
    """Feed: state of one room became current without being sent now: by a join, or as a fork came together."""

    room_id: str
    room: int
    position: Position
    """The event with which the state changed."""
    events: Sequence[StoredEvent]
    """What is the state from now on."""
    gone: Sequence[StateKey]
    """What is no state any more."""


class FederatedRoomRow(NamedTuple):
    """What is special about a room, as it is read when the room is loaded."""

    seeded: Position
    forked: Position
    flipped: Position
    missing: tuple[str, ...]
    awaited: tuple[str, ...]
    extremities: tuple[tuple[str, int], ...]
    """Id and depth of its last events if there are several, or the one is not the last by position; else empty."""
    pending_redactions: Mapping[str, str]
    """The redaction of each event that has not come yet."""


class BranchRow(NamedTuple):
    """The state after an event, as a difference to the room's state at a position."""

    position: Position
    delta: Mapping[StateKey, str | None]


class FederatedRoomReader(Protocol):
    """Reads what is special about rooms that other servers are in."""

    async def room(self, room: int) -> FederatedRoomRow | None:
        """Return what is special about a room; None for one that is a list from its beginning."""

    async def branches(self, event_ids: Sequence[str]) -> dict[str, BranchRow]:
        """Return the states after those events that have one of their own."""

    async def side_events(self, event_ids: Sequence[str]) -> list[SideEvent]:
        """Return those of the events that are kept beside a room."""

    async def flipped_members(self, room: int) -> list[tuple[str, Position, Position]]:
        """Return each membership that became the state later than it was sent: user, position, the event's position."""

    async def changed_keys(self, room: int, after: Position, upto: Position) -> list[StateKey]:
        """Return the keys of the state that changed with after < position <= upto, each once."""

    async def auth_events(self, event_ids: Collection[str]) -> dict[str, tuple[int, Sequence[str]]]:
        """Return the room's number and the auth events of those events that exist, beside a room or in it."""

    async def outside(self, room: int, after: Position, limit: int) -> list[StoredEvent]:
        """Return at most `limit` events outside the timeline with position > after, in the order of positions."""

    async def all_side_events(self, room: int, after: str, limit: int) -> list[SideEvent]:
        """Return at most `limit` events beside a room with ids behind `after`, in the order of ids."""

    async def lowest_position(self) -> Position:
        """Return the lowest position that any event of any room has; 0 if there is none."""
