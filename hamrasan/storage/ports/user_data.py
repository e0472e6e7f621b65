"""What belongs to a user besides the account and its devices: account data, profile, receipts, filters.

Contents are kept as the JSON bytes that clients get, so that answering is copying.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position

GLOBAL = ""
"""`room_id` of account data that belongs to no room."""
UNTHREADED = ""
"""`thread_id` of a receipt that covers the whole room."""
READ = "m.read"
"""Type of a receipt that everybody in the room sees."""
READ_PRIVATE = "m.read.private"
"""Type of a receipt that only its own user may see."""


class PutAccountData(NamedTuple):
    """Account data of a user, for a room or `GLOBAL`; replaces what was there under the same type."""

    user_id: str
    room_id: str
    type: str
    content: bytes
    """JSON object. Specification and clients know no deletion: `{}` is what stands for "nothing"."""
    position: Position


class EraseAccountData(NamedTuple):
    """All account data of a user is erased."""

    user_id: str


class PutProfileField(NamedTuple):
    """A field of a user's profile; replaces the former value."""

    user_id: str
    field: str
    value: bytes
    """Any JSON value."""


class DeleteProfileField(NamedTuple):
    """A field is taken out of a user's profile."""

    user_id: str
    field: str


class EraseProfile(NamedTuple):
    """All fields of a user's profile are erased."""

    user_id: str


class PutReceipt(NamedTuple):
    """A user's receipt in a room; replaces the one of the same type and thread."""

    room: int
    user_id: str
    type: str
    """`READ` or `READ_PRIVATE`."""
    thread_id: str
    """Event id of the thread's root, `main`, or `UNTHREADED`."""
    event_id: str
    event_position: Position
    """Position of the event, 0 while this store does not have it."""
    ts: int
    position: Position


class EraseReceipts(NamedTuple):
    """All receipts of a user are erased."""

    user_id: str


class EraseRoomReceipts(NamedTuple):
    """All receipts in a room are erased."""

    room: int


class PutFilter(NamedTuple):
    """A filter of a user. Its id follows from its content, so that putting it again changes nothing."""

    user_id: str
    filter_id: str
    content: bytes


class EraseFilters(NamedTuple):
    """All filters of a user are erased."""

    user_id: str


class AccountDataChanged(NamedTuple):
    """Feed: account data of a user was set."""

    position: Position
    user_id: str
    room_id: str
    type: str
    content: bytes


class ProfileChanged(NamedTuple):
    """Feed: a field of a user's profile was set, or taken out (`value` is None)."""

    user_id: str
    field: str
    value: bytes | None


class ReceiptChanged(NamedTuple):
    """Feed: a user's receipt moved."""

    position: Position
    room_id: str
    user_id: str
    type: str
    thread_id: str
    event_id: str
    ts: int
    event_position: Position
    room: int


class AccountDataRow(NamedTuple):
    """One piece of account data."""

    room_id: str
    type: str
    content: bytes
    position: Position


class ReceiptRow(NamedTuple):
    """One receipt."""

    room: int
    user_id: str
    type: str
    thread_id: str
    event_id: str
    event_position: Position
    ts: int
    position: Position


class AccountDataReader(Protocol):
    """Reads account data."""

    async def get(self, user_id: str, room_id: str, type: str) -> bytes | None:
        """Return the content under a type, None if it was never set."""

    async def all_of(self, user_id: str) -> list[AccountDataRow]:
        """Return all account data of a user, of every room and `GLOBAL`."""

    async def of_room(self, user_id: str, room_id: str) -> list[AccountDataRow]:
        """Return a user's account data of one room, or `GLOBAL`."""

    async def of_type(self, user_id: str, type: str) -> list[AccountDataRow]:
        """Return a user's account data of one type, of every room and `GLOBAL`."""

    async def changed_since(self, user_id: str, after: Position, upto: Position) -> list[AccountDataRow]:
        """Return what was last set with after < position <= upto, in the order of positions."""

    async def bytes_of(self, user_id: str) -> int:
        """Return how many bytes a user's account data takes."""


class ProfileReader(Protocol):
    """Reads profiles."""

    async def of(self, user_id: str) -> dict[str, bytes]:
        """Return the fields of a profile with their JSON values; empty if there are none."""

    async def field(self, user_id: str, field: str) -> bytes | None:
        """Return the JSON value of one field."""

    async def names(self, user_ids: Sequence[str]) -> dict[str, dict[str, bytes]]:
        """Return `displayname` and `avatar_url` of those users who have them."""


class ReceiptReader(Protocol):
    """Reads receipts."""

    async def of_room(self, room: int, after: Position, upto: Position, reader: str) -> list[ReceiptRow]:
        """Return the receipts of a room that last moved with after < position <= upto, in the order of positions.

        Private receipts of anybody but `reader` are left out ("Private read receipts": they are sent to nobody else).
        """

    async def of_user(self, user_id: str) -> list[ReceiptRow]:
        """Return all receipts of a user."""

    async def of_user_in_room(self, user_id: str, room: int) -> list[ReceiptRow]:
        """Return a user's receipts in one room."""


class FilterReader(Protocol):
    """Reads filters."""

    async def get(self, user_id: str, filter_id: str) -> bytes | None:
        """Return the JSON of a user's filter."""

    async def count(self, user_id: str) -> int:
        """Return how many filters a user has."""
