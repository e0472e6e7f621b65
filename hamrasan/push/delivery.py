"""Tells pushers what was noted for them, each in order, whatever becomes of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.push.gateways import Schedule, Turn
from hamrasan.push.notification import LOW, Notification, Notifications
from hamrasan.push.pushers import Pushers, url_of
from hamrasan.push.senders import IDS_ONLY, Result, Sender
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.slices import Slices
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.journal import Batch, Journal, Position, Write
from hamrasan.storage.ports.push import (
    ForgetWaitingPushes,
    NewWaitingPush,
    NotePushed,
    PusherRow,
    PushesNoted,
    PushReader,
)
from hamrasan.storage.ports.rooms import RoomEvents
from hamrasan.storage.ports.user_data import ReceiptChanged

LIFETIME_MS = 24 * 60 * 60 * 1000
"""How long a notification is worth being sent; a gateway that was down for longer is given up for it."""
MAX_ONE_BY_ONE = 10
"""Notifications that are sent one by one. Where more wait, a backlog has built up, and few of them are sent."""
MAX_OF_BACKLOG = 20
READ_AT_ONCE = 100
PUSHES_PER_TURN = 20
"""What one pusher is told before it is the turn of others of its gateway."""
BADGE_DELAY_S = 1.0
"""How long after reading the number of unread messages is told: who catches up reads room after room."""
USERS_AT_ONCE = 100

OnPush = Callable[[Literal["sent", "failed", "rejected", "dropped"]], None]
"""Counts what came of pushes."""

_log = get_logger(__name__)


class Delivery:
    """Sends what waits, and the number of unread messages when it changes."""

    def __init__(
        self,
        journal: Journal,
        reader: PushReader,
        pushers: Pushers,
        notifications: Notifications,
        senders: Mapping[str, Sender],
        clock: Clock,
        tasks: TaskSupervisor,
        all_pushed: Callable[[str], None],
        on_push: OnPush,
    ) -> None:
        """`senders` are by the kind of pusher; `all_pushed` hears of users for whom nothing waits any more."""
        self._journal = journal
        self._reader = reader
        self._pushers = pushers
        self._notifications = notifications
        self._senders = senders
        self._clock = clock
        self._tasks = tasks
        self._all_pushed = all_pushed
        self._on_push = on_push
        self._woken: dict[str, bool] = {}
        """Users whose pushers are to be looked at, and whether their number of unread messages may have changed."""
        self._news = asyncio.Event()
        self._reading: dict[str, asyncio.TimerHandle] = {}
        """Users who are reading."""
        self._schedule: Schedule | None = None
        journal.listen(PushesNoted, self._pushes_noted)
        journal.listen(ReceiptChanged, self._receipt_changed)
        journal.listen(RoomEvents, self._sent)

    @property
    def waiting(self) -> int:
        """Return how many pushers have something to be told."""
        return 0 if self._schedule is None else len(self._schedule)

    async def run(self) -> None:
        """Send until cancelled, what was left over before a restart at first."""
        schedule = self._schedule = Schedule(self._begin, asyncio.get_running_loop().call_later)
        try:
            await self._resume(schedule)
            while True:
                slices = Slices(self._clock)
                while self._woken:
                    await slices.pause()
                    user_id = next(iter(self._woken))
                    await self._look_at(schedule, user_id, badge=self._woken.pop(user_id))
                self._news.clear()
                await self._news.wait()
        finally:
            schedule.stop()
            self._schedule = None

    async def _resume(self, schedule: Schedule) -> None:
        last, slices = "", Slices(self._clock)
        while users := await self._reader.users_waited_for(last, USERS_AT_ONCE):
            for user_id in users:
                await slices.pause()
                await self._look_at(schedule, user_id, badge=False)
            last = users[-1]

    async def _look_at(self, schedule: Schedule, user_id: str, *, badge: bool) -> None:
        rows = await self._reader.pushers(user_id)
        for row in rows:
            # Reading only lessens what is unread, and what came since was told with its event.
            if row.activated and row.kind in self._senders and (row.badge or not badge):
                schedule.want(row.id, _gateway_of(row), badge=badge)
        if not rows:
            await self._journal.submit(Batch([ForgetWaitingPushes(user_id)]))
            self._all_pushed(user_id)

    # What the journal says.

    def _pushes_noted(self, item: PushesNoted) -> None:
        for user_id in item.user_ids:
            self._wake(user_id)

    def _receipt_changed(self, item: ReceiptChanged) -> None:
        if item.user_id in self._pushers.users:
            self._is_reading(item.user_id)

    def _sent(self, item: RoomEvents) -> None:
        users = self._pushers.users
        if users:
            for event in item.events:
                if event.sender in users:  # sending is reading
                    self._is_reading(event.sender)

    def _wake(self, user_id: str, *, badge: bool = False) -> None:
        self._woken[user_id] = self._woken.get(user_id, False) or badge
        self._news.set()

    def _is_reading(self, user_id: str) -> None:
        if user_id not in self._reading:
            loop = asyncio.get_running_loop()
            self._reading[user_id] = loop.call_later(BADGE_DELAY_S, self._has_read, user_id)

    def _has_read(self, user_id: str) -> None:
        del self._reading[user_id]
        self._wake(user_id, badge=True)

    # One pusher's turn.

    def _begin(self, turn: Turn) -> None:
        if self._tasks.closing:
            return
        self._tasks.spawn("push", self._take_turn(turn))

    async def _take_turn(self, turn: Turn) -> None:
        schedule = self._schedule
        if schedule is None:
            return
        try:
            result = await self._tell(turn)
        except MatrixError as error:  # the store could not take it
            result = Result("failed", error.message)
        except Exception:
            schedule.failed(turn)
            raise
        if result is None:
            schedule.more(turn)
        elif result.kind == "sent":
            schedule.done(turn)
        elif result.kind == "gone":
            schedule.gone(turn)
        elif schedule.failed(turn, result.retry_after_s):
            _log.warning("a push gateway does not answer", gateway=turn.gateway.name, reason=result.reason)

    async def _tell(self, turn: Turn) -> Result | None:
        """Tell a pusher what waits; return None if there is more than one turn's."""
        for _ in range(PUSHES_PER_TURN):
            row = await self._reader.pusher(turn.pusher)
            if row is None or not row.activated:
                return Result("gone")
            waiting = await self._reader.waiting(row.user_id, row.sent_upto, READ_AT_ONCE)
            if not waiting:
                return await self._tell_badge(turn, row)
            result = await self._tell_next(row, waiting)
            if result is not None:
                return result
        return None

    async def _tell_next(self, row: PusherRow, waiting: Sequence[NewWaitingPush]) -> Result | None:
        """Tell a pusher of the first event that is still worth it; return None if that succeeded or there is none."""
        badge, ids_only = row.badge, parse_json(row.data).get("format") == IDS_ONLY
        upto, slices = row.sent_upto, Slices(self._clock)
        for entry in coalesced(waiting, self._clock.now_ms() - LIFETIME_MS):
            await slices.pause()
            upto = entry.position
            told = await self._notifications.about(entry, ids_only=ids_only)
            if told is not None:
                badge = told["counts"].get("unread", 0)
                result = await self._send(row, told, parse_json(entry.tweaks))
                if result.kind != "sent":
                    return result
                break
            self._on_push("dropped")
        else:
            upto = waiting[-1].position
        await self._note(row, upto, badge)
        return None

    async def _tell_badge(self, turn: Turn, row: PusherRow) -> Result:
        """Tell a pusher how much is unread, if that has changed; there is no event to tell of."""
        if turn.badge_due:
            turn.badge_due = False
            unread = await self._notifications.badge(row.user_id)
            if unread != row.badge:
                # A count of zero is said here, though it could be left out: it is what clears the number shown.
                result = await self._send(row, {"prio": LOW, "counts": {"unread": unread}}, None)
                if result.kind != "sent":
                    turn.badge_due = result.kind == "failed"
                    return result
                await self._note(row, row.sent_upto, unread)
        return Result("sent")

    async def _send(self, row: PusherRow, told: Notification, tweaks: Mapping[str, Any] | None) -> Result:
        result = await self._senders[row.kind].send(row, told, tweaks)
        if result.kind == "gone":
            await self._pushers.delete(row.id)
            _log.info(
                "a pusher is not known at its gateway any more", gateway=_gateway_of(row), app=row.app_id
            )
            self._on_push("rejected")
        else:
            self._on_push(result.kind)
        return result

    async def _note(self, row: PusherRow, upto: Position, badge: int) -> None:
        """Take down how far a pusher has come, and forget what all pushers of its user have passed."""
        writes: list[Write] = [NotePushed(upto, badge, *row.id), ForgetWaitingPushes(row.user_id)]
        await self._journal.submit(Batch(writes))
        if not await self._reader.waiting(row.user_id, 0, 1):
            self._all_pushed(row.user_id)


def coalesced(waiting: Sequence[NewWaitingPush], not_before_ms: int) -> Sequence[NewWaitingPush]:
    """Return what of waiting notifications is sent: all that are not too old if there are few of them.

    Of a backlog it is the last one of each room and those that highlight, and the last few of these: the client learns
    of the others when it syncs.
    """
    fresh = [entry for entry in waiting if entry.noted_ts >= not_before_ms]
    if len(fresh) <= MAX_ONE_BY_ONE:
        return fresh
    last = {entry.room_id: entry.position for entry in fresh}
    kept = [
        entry
        for entry in fresh
        if last[entry.room_id] == entry.position or parse_json(entry.tweaks).get("highlight") is True
    ]
    return kept[-MAX_OF_BACKLOG:]


def _gateway_of(row: PusherRow) -> str:
    """Return the name of the server that a pusher's pushes go to."""
    return urlsplit(url_of(row)).netloc
