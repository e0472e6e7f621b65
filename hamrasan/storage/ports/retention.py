"""What is kept of history that has expired: nothing but how far it has."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position

EXPIRED = "expired"
"""Stands for the redaction's id in `StoredEvent.redacted_by`: the event lost its content because it grew too old."""


class PutHistoryFloor(NamedTuple):
    """Every message of the room up to a position has expired."""

    room: int
    position: Position


class RetentionReader(Protocol):
    """Reads how far history has expired."""

    async def floors(self) -> list[tuple[int, Position]]:
        """Return every room of which something has expired, and up to where."""
