"""Which threads a user follows (MSC4306).

Clients subscribe their user where the user takes part or is mentioned. Since each of the user's devices may do that for
the same mention, at any later time, an unsubscription stands against all mentions that came before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from hamrasan.accounts.push_rules import PushRules
from hamrasan.protocol.errors import MatrixError, not_found, too_large
from hamrasan.rooms.access import RoomAccess
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.journal import Batch, Journal, Position
from hamrasan.storage.ports.rooms import StoredEvent
from hamrasan.storage.ports.thread_subscriptions import (
    PutThreadSubscription,
    StartThreadSubscriptions,
    ThreadSubscriptionChanged,
    ThreadSubscriptionReader,
    ThreadSubscriptionRow,
)

_DRAFT = "IO.ELEMENT.MSC4306."
NOT_IN_THREAD = _DRAFT + "M_NOT_IN_THREAD"
CONFLICTING_UNSUBSCRIPTION = _DRAFT + "M_CONFLICTING_UNSUBSCRIPTION"

MAX_THREADS = 100_000
"""Threads that one user follows or has left: twenty new ones each day for more than ten years."""
CACHED_USERS = 100_000
"""Users of whom it is remembered that their clients know of subscriptions: those who sync."""


class ThreadsOf(Protocol):
    """Knows which thread an event is part of."""

    async def thread_of(self, stored: StoredEvent) -> str:
        """Return the root of the thread that an event is part of, or `main`."""


class Changes(NamedTuple):
    """The last that a user said about threads."""

    rows: Sequence[ThreadSubscriptionRow]
    """The last one first."""
    rest: Position | None
    """Up to where there are more; None: that is all."""


def described(changes: Sequence[ThreadSubscriptionRow]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return changes as clients are told of them (MSC4308): by what was done, by room, by thread."""
    told: dict[str, dict[str, dict[str, Any]]] = {}
    for row in changes:
        if row.subscribed:
            news, kind = {"automatic": row.automatic, "bump_stamp": row.position}, "subscribed"
        else:
            news, kind = {"bump_stamp": row.position}, "unsubscribed"
        told.setdefault(kind, {}).setdefault(row.room_id, {})[row.thread_root] = news
    return told


class ThreadSubscriptions:
    """Reads and changes subscriptions."""

    def __init__(
        self,
        journal: Journal,
        reader: ThreadSubscriptionReader,
        access: RoomAccess,
        threads: ThreadsOf,
        push_rules: PushRules,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._access = access
        self._threads = threads
        self._push_rules = push_rules
        self._locks = KeyedLocks()
        self._started: BoundedCache[str, bool] = BoundedCache(CACHED_USERS)

    async def of(self, user_id: str, room_id: str, root: str) -> ThreadSubscriptionRow:
        """Return a user's subscription; raises `M_NOT_FOUND` if there is none, or the user may not see the thread."""
        await self._access.visible_event(room_id, root, user_id)
        row = await self._reader.get(user_id, root)
        if row is None or not row.subscribed:
            raise not_found("You are not subscribed to this thread.")
        return row

    async def is_subscribed(self, user_id: str, thread_root: str) -> bool:
        """Return whether a user follows a thread."""
        row = await self._reader.get(user_id, thread_root)
        return row is not None and row.subscribed

    async def changes(self, user_id: str, after: Position, upto: Position | None, limit: int) -> Changes:
        """Return the latest `limit` changes with after < position <= upto (None: now)."""
        upto = self._journal.durable if upto is None else min(upto, self._journal.durable)
        rows = await self._reader.changes(user_id, after, upto, limit + 1)
        return Changes(rows[:limit], rows[limit].position if len(rows) > limit else None)

    async def subscribe(self, user_id: str, room_id: str, root: str, cause: str | None = None) -> None:
        """Subscribe a user to a thread; what the user has subscribed to by hand remains so.

        `cause` is the event for which a client does so by itself. Raises `M_NOT_FOUND` for a thread or cause that the
        user may not see, `M_NOT_IN_THREAD` for a cause that is elsewhere, `M_CONFLICTING_UNSUBSCRIPTION` (409) for one
        that came before the user unsubscribed, `M_TOO_LARGE` beyond `MAX_THREADS`.
        """
        await self._access.visible_event(room_id, root, user_id)
        caused_at = None if cause is None else await self._position_in(user_id, room_id, root, cause)
        await self.start(user_id)
        async with self._locks(user_id):
            row = await self._reader.get(user_id, root)
            if row is None:
                await self._check_room_for_more(user_id)
            elif row.subscribed and (caused_at is not None or not row.automatic):
                return
            elif not row.subscribed and caused_at is not None and caused_at <= row.position:
                raise _conflicting_unsubscription()
            await self._put(user_id, room_id, root, subscribed=True, automatic=caused_at is not None)

    async def unsubscribe(self, user_id: str, room_id: str, root: str) -> None:
        """End a user's subscription, if there is one; raises `M_NOT_FOUND` for a thread that the user may not see."""
        await self._access.visible_event(room_id, root, user_id)
        await self.start(user_id)
        async with self._locks(user_id):
            if await self.is_subscribed(user_id, root):
                await self._put(user_id, room_id, root, subscribed=False, automatic=False)

    async def start(self, user_id: str) -> None:
        """Take note that a client of this user knows of subscriptions: now the push rules for threads make sense.

        They are enabled once; what the user makes of them afterwards stays.
        """
        if user_id in self._started:
            return
        async with self._locks(user_id):
            if not await self._reader.has_started(user_id):
                await self._push_rules.enable_thread_rules(user_id)
                await self._journal.submit(Batch([StartThreadSubscriptions(user_id)]))
        self._started.put(user_id, True)

    async def _position_in(self, user_id: str, room_id: str, root: str, cause: str) -> Position:
        """Return where the event stands that caused an automatic subscription, if it is in the thread."""
        _, event = await self._access.visible_event(room_id, cause, user_id)
        if await self._threads.thread_of(event.stored) != root:
            raise MatrixError(400, NOT_IN_THREAD, f"The event {cause} is not in the thread {root}.")
        return event.stored.position

    async def _check_room_for_more(self, user_id: str) -> None:
        if await self._reader.count(user_id) >= MAX_THREADS:
            raise too_large(f"A user may follow or have left at most {MAX_THREADS} threads.")

    async def _put(self, user_id: str, room_id: str, root: str, *, subscribed: bool, automatic: bool) -> None:
        position = self._journal.next_position
        write = PutThreadSubscription(user_id, root, room_id, subscribed, automatic, position)
        change = ThreadSubscriptionChanged(position, user_id, room_id)
        await self._journal.submit(Batch([write], positions=1, feed=[change]))


def _conflicting_unsubscription() -> MatrixError:
    return MatrixError(
        409, CONFLICTING_UNSUBSCRIPTION, "You have unsubscribed from this thread since this event came."
    )
