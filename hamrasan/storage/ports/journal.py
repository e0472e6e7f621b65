"""The journal: the one way in which anything is written (development handbook, "The journal").

A decision hands over one `Batch`; the journal makes it durable together with whatever else waits (group commit), and
only then do the one who waits and those who listen hear of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from hamrasan.protocol.errors import MatrixError

Position = int
"""Every change that a client can see takes the next one; positions have no gaps.

What happened in a room before this server came into it stands below zero, the latest at -1.
"""

FIRST_POSITION: Position = -(2**62)
"""Before everything that could ever be known of a room's past."""

Write = tuple[Any, ...]
"""One row to write: an instance of a `NamedTuple` class of a port; adapters map the class to a statement."""


class Probe(NamedTuple):
    """Changes nothing that anybody reads: only whether the disk still takes it is asked."""


@dataclass(slots=True)
class Batch:
    """All writes of one decision: they become durable together, or none does.

    `positions` says how many positions the batch takes, from the journal's `next_position` on; the writes that a client
    can see carry them. `feed` is what those who listen are told after the commit (values of the ports' feed classes).
    """

    writes: list[Write] = field(default_factory=list)
    positions: int = 0
    feed: list[object] = field(default_factory=list)


class CommitFailed(MatrixError):
    """The batch could not be made durable, or was built on one that could not. Nothing of it was kept."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            503, "M_UNKNOWN", f"The server could not store this now ({reason}); please try again later."
        )


Change = TypeVar("Change")
"""A class of what feeds hold."""


class Journal(Protocol):
    """The single writer of a store."""

    @property
    def next_position(self) -> Position:
        """The position that the next submitted batch begins with."""

    @property
    def durable(self) -> Position:
        """The last position that is durable; everything up to it is complete."""

    def submit(self, batch: Batch) -> asyncio.Future[None]:
        """Take `batch` for the next commit; the future ends when it is durable, or with `CommitFailed`.

        Synchronous: between reading `next_position` and this call nothing else may run. Raises `M_LIMIT_EXCEEDED`
        when too much waits to become durable.
        """

    def listen(self, kind: type[Change], listener: Callable[[Change], None]) -> None:
        """Call `listener` with each `kind` of change once it is durable, before the one who waits goes on.

        Changes come in the order of the feed, and to those who listen to one kind in the order in which they began.
        """

    def on_failure(self, callback: Callable[[], None]) -> None:
        """Call `callback` when a commit failed: memory must not claim what the disk does not hold."""
