"""Which threads users follow (MSC4306), and in which order that changed (MSC4308)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position


class PutThreadSubscription(NamedTuple):
    """A user subscribes to a thread or unsubscribes from it; replaces what was there for the same thread."""

    user_id: str
    thread_root: str
    room_id: str
    subscribed: bool
    automatic: bool
    """A client subscribed by itself, not at the user's wish. False for who is not subscribed."""
    position: Position


class StartThreadSubscriptions(NamedTuple):
    """A user has begun to use clients that know of subscriptions."""

    user_id: str


class EraseThreadSubscriptions(NamedTuple):
    """All that is known of a user's subscriptions is erased."""

    user_id: str


class ThreadSubscriptionChanged(NamedTuple):
    """Feed: a user subscribed to a thread or unsubscribed from it."""

    position: Position
    user_id: str
    room_id: str


class ThreadSubscriptionRow(NamedTuple):
    """The last that a user said about one thread."""

    room_id: str
    thread_root: str
    subscribed: bool
    automatic: bool
    position: Position


class ThreadSubscriptionReader(Protocol):
    """Reads subscriptions to threads."""

    async def get(self, user_id: str, thread_root: str) -> ThreadSubscriptionRow | None:
        """Return what a user last said about a thread, None if nothing."""

    async def count(self, user_id: str) -> int:
        """Return about how many threads a user has said something."""

    async def changes(
        self, user_id: str, after: Position, upto: Position, limit: int
    ) -> Sequence[ThreadSubscriptionRow]:
        """Return the latest `limit` changes with after < position <= upto, the last one first."""

    async def has_started(self, user_id: str) -> bool:
        """Return whether a user has used clients that know of subscriptions."""
