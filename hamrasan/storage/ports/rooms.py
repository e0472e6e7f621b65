"""What is kept of rooms: events as bytes, state as versions for each key, memberships, aliases, the directory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from hamrasan.protocol.event import StateKey
from hamrasan.storage.ports.journal import Position

# Bits of `StoredEvent.flags`: what the event means for a reader with the default push rules.
NOTIFIES = 1
"""Counts as unread."""
MENTIONS_ROOM = 2
"""Highlights for everyone in the room, and the sender may do so."""
MENTIONS_SOMEONE = 4
"""`m.mentions` names users."""
INVITES = 8
"""Invites the user of its state key."""
FORWARD = 16
"""An event of another server's user that came through this server, which has to pass it on to all others."""
OUTSIDE = 32
"""Part of the room's state, but not of its timeline: came along with a join, or by the resolution of a fork.

The highest bit, so that `flags < 32` means what has a place in the timeline; indexes are made for that.
"""

ALTERED = "altered"
"""Stands for the redaction's id in `StoredEvent.redacted_by`: the content was not what its server had hashed."""


class StoredEvent(NamedTuple):
    """An event as it is kept. The client's and the federation's form are two splices of the same pieces."""

    position: Position
    room: int
    """The room's number in this store (`RoomRow.room`)."""
    event_id: str
    type: str
    state_key: str | None
    sender: str
    origin_server_ts: int
    depth: int
    content: bytes
    """Canonical JSON; once redacted, what the redaction left."""
    envelope: bytes
    """Canonical JSON object of the PDU's other members (`auth_events`, `prev_events`, `hashes`, `signatures`, ...)."""
    replaces: Position
    """Position of the state event that this one replaced; 0 for none."""
    flags: int
    relates_to: str | None
    rel_type: str | None
    txn_device: str | None
    """Device that sent the event with `txn_id`, on this server."""
    txn_id: str | None
    redacted_by: str | None = None
    """Id of the redaction event."""


class NewRoom(NamedTuple):
    """A room comes to exist in this store."""

    room: int
    room_id: str
    version: str
    creator: str
    position: Position


class StateVersion(NamedTuple):
    """From `position` on, the state of `room` under (type, state_key) is the event at `event_position`."""

    room: int
    type: str
    state_key: str
    position: Position
    event_position: Position


class PutMembership(NamedTuple):
    """The current membership of a user; replaces the former one and un-forgets the room."""

    room: int
    user_id: str
    membership: str
    position: Position
    event_id: str
    sender: str
    first: Position = 0
    """Position of the user's first membership of the room; counts only while there is none."""


class ForgetRoom(NamedTuple):
    """The user forgot a room that they had left."""

    position: Position
    room: int
    user_id: str


class ThreadActivity(NamedTuple):
    """A reply was added to the thread of `root`."""

    room: int
    root: str
    position: Position


class RedactEvent(NamedTuple):
    """An event lost its content to a redaction."""

    content: bytes
    redacted_by: str
    position: Position


class PutAlias(NamedTuple):
    """A room alias points to a room."""

    alias: str
    room: int
    creator: str


class DeleteAlias(NamedTuple):
    """A room alias is taken away."""

    alias: str


class MoveAliases(NamedTuple):
    """All aliases of one room point to another from now on."""

    to_room: int
    from_room: int


class PublishRoom(NamedTuple):
    """The room is listed in the public room directory."""

    room: int


class UnpublishRoom(NamedTuple):
    """The room is no longer listed."""

    room: int


class NewReport(NamedTuple):
    """A user reported an event, a room or a user to the server's administrators."""

    created_ts: int
    reporter: str
    room_id: str | None
    event_id: str | None
    user_id: str | None
    reason: str
    score: int | None


class RoomEvents(NamedTuple):
    """Feed: events of one room became durable."""

    room_id: str
    events: Sequence[StoredEvent]


class RoomForgotten(NamedTuple):
    """Feed: a user forgot a room."""

    user_id: str
    room_id: str


class AliasesChanged(NamedTuple):
    """Feed: a room got or lost an alias of this server."""

    room_id: str


class DirectoryChanged(NamedTuple):
    """Feed: a room was put into the public room directory, or taken out."""

    room: int
    room_id: str
    published: bool
    listing: str | None = None
    """Which directory: None for the public one, else the instance id of a network ("Published room directories")."""


class RoomRow(NamedTuple):
    """A room of this store."""

    room: int
    room_id: str
    version: str
    creator: str


class MembershipRow(NamedTuple):
    """One user's current membership of one room."""

    room: int
    room_id: str
    user_id: str
    membership: str
    position: Position
    event_id: str
    sender: str
    forgotten: bool


class Notable(NamedTuple):
    """What of a room's events an unread count has to look at one by one; the rest are plain messages of others."""

    own: Position
    """The reader's last event that relates to none; 0 if there is none."""
    events: Sequence[StoredEvent]
    """Events with other flags than `NOTIFIES`, and relations that have flags or are the reader's."""


class TransactionRow(NamedTuple):
    """Which request made an event."""

    sender: str
    device_id: str
    txn_id: str


class EventReader(Protocol):
    """Reads events. Lists are in the order of `position` unless said otherwise."""

    async def by_id(self, event_id: str) -> StoredEvent | None:
        """Return the event with this id."""

    async def by_ids(self, event_ids: Sequence[str]) -> list[StoredEvent]:
        """Return those of the events that exist."""

    async def by_positions(self, positions: Sequence[Position]) -> list[StoredEvent]:
        """Return the events at these positions."""

    async def page(
        self, room: int, after: Position, upto: Position, limit: int, *, backwards: bool
    ) -> list[StoredEvent]:
        """Return at most `limit` events with after < position <= upto; the newest first if `backwards`."""

    async def following(self, after: Position, upto: Position, limit: int) -> list[tuple[str, StoredEvent]]:
        """Return the first `limit` events of all rooms with after < position <= upto, each with its room's id."""

    async def head(self, room: int) -> Position:
        """Return the position of the room's last event; 0 if it has none."""

    async def transactions(self, room: int, upto: Position, count: int) -> list[TransactionRow]:
        """Return which requests made the room's last events up to `upto`, of at most `count` events."""

    async def made_by(
        self, room: int, upto: Position, sender: str, device_id: str, txn_id: str
    ) -> str | None:
        """Return the id of the room's last event up to `upto` that a request made. May look at the whole room."""

    async def latest(self, room: int, upto: Position, count: int) -> Position:
        """Return after which position the room has `count` events up to `upto`; 0 if it has not so many."""

    async def last_own(self, room: int, after: Position, upto: Position, sender: str) -> Position:
        """Return the position of a user's last event that relates to none, with after < position <= upto; else 0."""

    async def notable(self, room: int, after: Position, upto: Position, reader: str) -> Notable:
        """Return what matters one by one to a reader's unread count, of the events with after < position <= upto."""

    async def count_plain(self, room: int, after: Position, upto: Position, not_of: Collection[str]) -> int:
        """Return the number of plain messages with after < position <= upto: those that only count as unread.

        They have the flag `NOTIFIES` and no other, no relation, are not redacted, and of no sender in `not_of`.
        """

    async def nearest(self, room: int, ts: int, *, backwards: bool) -> StoredEvent | None:
        """Return the event nearest to `ts` by `origin_server_ts`, at or before it if `backwards`, else at or after."""


class StateReader(Protocol):
    """Reads the state of rooms, now or at any position."""

    async def current(self, room: int) -> list[StoredEvent]:
        """Return the current state events other than memberships."""

    async def at(
        self, room: int, position: Position, keys: Sequence[StateKey] | None = None, *, members: bool = True
    ) -> list[StoredEvent]:
        """Return the state events as they were at `position`: all, all but memberships, or those of `keys`."""

    async def members_at(self, room: int, position: Position) -> list[StoredEvent]:
        """Return the memberships as they were at `position`."""

    async def versions(self, room: int, type: str, state_key: str) -> list[StoredEvent]:
        """Return every event that was ever the state under one key, the oldest first.

        The position of each is the one from which on it was the state: after a fork that is not always its own.
        """

    async def has_changed(self, room: int, after: Position, upto: Position) -> bool:
        """Return whether any state event came with after < position <= upto."""

    async def changes(self, room: int, after: Position, upto: Position) -> list[StoredEvent]:
        """Return, for each key that changed with after < position <= upto, its last event up to `upto`."""

    async def of_type(self, room: int, type: str, limit: int) -> list[StoredEvent]:
        """Return the current state events of one type, at most `limit` of them, in the order of state keys."""


class RoomReader(Protocol):
    """Reads what is known of rooms besides events and state."""

    async def rooms(self, room_ids: Sequence[str]) -> list[RoomRow]:
        """Return those of the rooms that this store has."""

    async def page(self, after: int, limit: int) -> list[RoomRow]:
        """Return at most `limit` rooms with numbers above `after`, in the order of numbers."""

    async def last_room(self) -> int:
        """Return the highest room number given so far."""

    async def members(self, room: int) -> list[MembershipRow]:
        """Return the current membership of everybody who ever had one, those first who came first."""

    async def memberships(self, user_id: str) -> list[MembershipRow]:
        """Return a user's current memberships, of every kind; also of rooms that are known from outside only.

        These have no number (`ports.invitations.NO_ROOM`). Of each room there is one.
        """

    async def places(self, user_id: str) -> list[MembershipRow]:
        """Return what `memberships` does, for whom it may be long."""

    async def membership(self, room: int, user_id: str) -> str | None:
        """Return a user's current membership of one room, None if they never had one."""

    async def mutual(self, user_id: str, other: str) -> list[tuple[int, str]]:
        """Return number and id of every room that both users are in, by number."""

    async def joined(self, room: int) -> int:
        """Return how many users are in a room. May look at everybody who ever was."""

    async def alias(self, alias: str) -> tuple[RoomRow, str] | None:
        """Return the room of an alias, and who made it."""

    async def aliases(self, room: int) -> list[str]:
        """Return the local aliases of a room."""

    async def published(self) -> list[tuple[RoomRow, int]]:
        """Return every listed room, and how many users are in it."""

    async def is_published(self, room: int) -> bool:
        """Return whether the room is listed in the directory."""
