"""What is kept ready of every room, so that the rooms of a user can be sorted and filtered without loading one."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position


class RoomIndexRow(NamedTuple):
    """A room at a glance."""

    room: int
    events: Position
    """Position of its last event; 0 if it has none."""
    receipts: Position
    """Position of the last change of any receipt; 0 if there is none."""
    create: bytes | None
    """Content of the create event."""
    is_encrypted: bool


class RoomIndexReader(Protocol):
    """Reads rooms at a glance."""

    async def page(self, after: int, limit: int) -> list[RoomIndexRow]:
        """Return at most `limit` rooms with numbers above `after`, in the order of numbers."""
