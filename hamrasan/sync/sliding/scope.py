"""What the parts of one answer of sliding sync are written from."""

from __future__ import annotations

from dataclasses import dataclass, field

from hamrasan.storage.ports.journal import Position
from hamrasan.sync.notifier import UserStream
from hamrasan.sync.sliding.connections import Connection, Mark, News
from hamrasan.sync.sliding.lists import Windows
from hamrasan.sync.sliding.request import SlidingRequest


@dataclass(slots=True)
class Scope:
    """One answer while it is written."""

    request: SlidingRequest
    stream: UserStream
    connection: Connection
    windows: Windows
    now: Position
    """The answer tells what happened up to here."""
    checked: Position
    """Up to here it is known that nothing of the user's own and no device has to be told."""
    news: News
    starts: dict[str, Position] = field(default_factory=dict)
    """Where the timelines begin of the rooms that are told as new."""

    typing_rooms: list[str] = field(default_factory=list)
    """Rooms in which it may have changed who types."""

    @property
    def before(self) -> Mark:
        """Where the client stands."""
        return self.connection.mark
