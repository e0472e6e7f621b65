"""What is kept for the exchange with other servers: which are in which rooms, and what is still to be told or judged.

Nothing is written for each event and server. One cursor (`hamrasan.storage.ports.cursors`) says up to where *all*
servers have everything; only those that do not keep up with the others have a cursor of their own (`PutLag`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.user_data import ReceiptChanged


class PutRoomServer(NamedTuple):
    """From `position` on a server is in a room, or no longer is."""

    room: int
    server: str
    joined: bool
    position: Position
    since: Position
    """Since when it is there, or was."""


class PutLag(NamedTuple):
    """A server has everything up to a position, and less than all others."""

    server: str
    sent_upto: Position


class DropLag(NamedTuple):
    """A server has what all others have."""

    server: str


class NewServerMessage(NamedTuple):
    """A message to devices waits for their server."""

    server: str
    position: Position
    number: int
    """The order among messages of the same position."""
    content: bytes
    """The content of an `m.direct_to_device` EDU, as JSON."""


class DropServerMessages(NamedTuple):
    """A server has taken every message up to this one."""

    server: str
    position: Position
    number: int


class StagePdu(NamedTuple):
    """An event was answered for, and is still to be judged."""

    lot: str
    """What came together has the same name here."""
    origin: str
    room_id: str
    pdu: bytes


class UnstagePdus(NamedTuple):
    """What came together has been judged."""

    lot: str


class ServerMessageAdded(NamedTuple):
    """Feed: a message to devices waits for their server at `position`."""

    server: str
    position: Position


class RoomServerRow(NamedTuple):
    """Since when a server is in a room, or no longer is."""

    server: str
    joined: bool
    position: Position
    since: Position
    """Since when it is there, or was."""


class ServerMessageRow(NamedTuple):
    """A message that waits for a server."""

    position: Position
    number: int
    content: bytes


class StagedPdu(NamedTuple):
    """An event that is still to be judged."""

    number: int
    lot: str
    origin: str
    room_id: str
    pdu: bytes


class NewsOfRooms(NamedTuple):
    """Which events a server lacks."""

    positions: Sequence[Position]
    are_all: bool
    """Whether these are all; if not, they are the latest of each room."""


class ExchangeReader(Protocol):
    """Reads what is still to be exchanged."""

    async def room_servers(self, room: int) -> list[RoomServerRow]:
        """Return which servers are in a room, or were."""

    async def room_ids(self, rooms: Collection[int]) -> dict[int, str]:
        """Return the ids of at most a few hundred rooms by their numbers."""

    async def has_remote_rooms(self, own: str) -> bool:
        """Return whether any server but `own` is in any room."""

    async def servers(self, own: str, most: int) -> list[str]:
        """Return at most so many servers but `own` that are in any room."""

    async def servers_of_user(self, user_id: str) -> list[str]:
        """Return the servers that are in rooms with a user, by name."""

    async def lags(self) -> list[PutLag]:
        """Return all servers that lag behind, and how far."""

    async def news_of_rooms(
        self, server: str, own: str, after: Position, upto: Position, most: int
    ) -> NewsOfRooms:
        """Return the events with after < position <= upto that a server is to have from `own`, in order.

        Those are the events of the users of `own`, and those that it passes on, in rooms at a time when the server was
        in them. If they are more than `most`, only the latest of each room are returned.
        """

    async def receipts(
        self, own: str, after: Position, upto: Position, most: int, server: str | None = None
    ) -> list[ReceiptChanged]:
        """Return the public receipts of the users of `own` that last moved with after < position <= upto.

        In rooms that any other server is in, or this one, at most `most`, the latest first.
        """

    async def servers_with_messages(self) -> list[str]:
        """Return the servers for which messages wait."""

    async def messages(self, server: str, after: tuple[Position, int], limit: int) -> list[ServerMessageRow]:
        """Return the first messages for a server behind a position and number."""

    async def staged(self, after: int, limit: int) -> list[StagedPdu]:
        """Return the first events that are still to be judged, with numbers above `after`."""
