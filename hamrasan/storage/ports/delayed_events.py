"""What is kept of events that wait for their time (MSC4140)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position


class DelayedEventRow(NamedTuple):
    """An event that is sent later, or was; as a write, a new one. Times are milliseconds since the Unix epoch."""

    delay_id: str
    user_id: str
    device_id: str
    txn_id: str | None
    """The transaction of the request that handed it in; None for state."""
    room_id: str
    type: str
    state_key: str | None
    content: bytes
    since: Position
    """The position at which it was handed in."""
    delay_ms: int
    running_since: int
    outcome: str | None
    """`send` or `cancel`; None as long as it is scheduled."""
    reason: str | None
    """`delay`, `action` or `error`."""
    error: bytes | None
    """JSON object of the refusal, if there was one."""
    event_id: str | None
    finalised_ts: int | None

    @property
    def due_ms(self) -> int:
        """When it is to be sent."""
        return self.running_since + self.delay_ms


class RestartDelayedEvent(NamedTuple):
    """The event's time begins anew."""

    running_since: int
    delay_id: str


class FinaliseDelayedEvent(NamedTuple):
    """The event was sent or will never be."""

    outcome: str
    reason: str
    error: bytes | None
    event_id: str | None
    finalised_ts: int
    delay_id: str


class DeleteFinalisedEvents(NamedTuple):
    """What was finalised before a time is forgotten."""

    before_ts: int


class DeleteDelayedEventsOf(NamedTuple):
    """All of a user's are gone."""

    user_id: str


class DelayedEventReader(Protocol):
    """Reads delayed events."""

    async def by_id(self, delay_id: str) -> DelayedEventRow | None:
        """Return one, finalised or not."""

    async def of_user(self, user_id: str) -> list[DelayedEventRow]:
        """Return all of a user's in the order in which their time began."""

    async def schedule(self) -> list[tuple[int, str]]:
        """Return when each scheduled one is due, and its id, in that order."""
