"""How far those have come who follow the committed events."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position


class PutCursor(NamedTuple):
    """Somebody has dealt with every event up to a position."""

    name: str
    position: Position


class CursorReader(Protocol):
    """Reads cursors."""

    async def cursor(self, name: str) -> Position | None:
        """Return how far `name` has come; None if it never began."""
