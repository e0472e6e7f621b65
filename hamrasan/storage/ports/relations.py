"""What is read of relations between events (client-server API, "Forming relationships between events")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent


class ThreadRow(NamedTuple):
    """A thread of a room."""

    root: str
    latest: Position
    replies: int


class ThreadSender(NamedTuple):
    """What one user has replied in a thread."""

    room: int
    sender: str
    replies: int
    latest: Position
    """Position of the user's last reply."""


class RelationReader(Protocol):
    """Reads which events relate to which. The writes are part of the events' own."""

    async def relations(
        self,
        event_id: str,
        rel_type: str | None,
        event_type: str | None,
        after: Position,
        upto: Position,
        limit: int,
        *,
        backwards: bool,
        levels: int = 1,
    ) -> list[StoredEvent]:
        """Return events that relate to `event_id`, with after < position <= upto, not redacted ones.

        With more `levels` also those that relate to such events, whatever kind the relations in between are.
        """

    async def annotations(self, event_id: str, sender: str) -> list[StoredEvent]:
        """Return the annotations (reactions) by `sender` on an event, not redacted ones."""

    async def related_kinds(self, event_ids: Sequence[str], kinds: Sequence[str]) -> set[tuple[str, str]]:
        """Return (event id, rel_type) for each of these kinds that any event relates to one of `event_ids` by."""

    async def thread(self, root: str) -> list[ThreadSender]:
        """Return who replied in the thread of `root`, redacted replies left out."""

    async def threads(self, room: int, before: Position, limit: int) -> list[ThreadRow]:
        """Return threads whose latest reply stands before a position, the most recent first."""
