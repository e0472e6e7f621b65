"""Events that are sent later, unless their sender cancels them or puts them off (MSC4140).

They are what a call needs of a server: a member's leaving waits here while the member's client keeps putting it off,
and happens when the client is heard of no more. Each is durable before its id is told, and is sent once: as a
transaction of its own, so that a server that stopped between sending and noting so finds the event again.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from hamrasan.accounts.accounts import Accounts, user_locked, user_suspended
from hamrasan.flows.set_state import SetState
from hamrasan.protocol.canonical_json import encode_canonical_checked, parse_json
from hamrasan.protocol.errors import MatrixError, invalid_param, not_found
from hamrasan.protocol.limits import MAX_EVENT_BYTES
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.messages import Messages
from hamrasan.rooms.new_event import Transaction
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.delayed_events import (
    DelayedEventReader,
    DelayedEventRow,
    DeleteDelayedEventsOf,
    DeleteFinalisedEvents,
    FinaliseDelayedEvent,
    RestartDelayedEvent,
)
from hamrasan.storage.ports.journal import Batch, Journal

Action = Literal["cancel", "restart", "send"]
ACTIONS: Mapping[str, Action] = {"cancel": "cancel", "restart": "restart", "send": "send"}

MAX_DELAY_MS = 30 * 24 * 3_600_000
"""A month: long enough to write a message for a date, short enough that nobody has forgotten what still waits."""
MAX_SCHEDULED = 100
"""Of one user at a time: some calls on some devices, and what was written ahead."""
FINALISED_KEPT_MS = 24 * 3_600_000
"""How long it can be asked what became of one."""
FORGET_EVERY_MS = 3_600_000
"""How often what was finalised long ago is deleted."""
ID_BYTES = 18
"""Of a delay id: whoever knows it may act on the event without a token, so it must not be guessed."""
RETRY_MS = 5_000
"""When sending is tried again after the store could not take it."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that somebody hands in to be sent later."""

    room_id: str
    type: str
    state_key: str | None
    content: Mapping[str, Any]
    delay_ms: int


class DelayedEvents:
    """Keeps delayed events and sends them when their time has come."""

    def __init__(
        self,
        journal: Journal,
        reader: DelayedEventReader,
        registry: RoomRegistry,
        access: RoomAccess,
        messages: Messages,
        set_state: SetState,
        accounts: Accounts,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._registry = registry
        self._access = access
        self._messages = messages
        self._set_state = set_state
        self._accounts = accounts
        self._clock = clock
        self._entropy = entropy
        self._users = KeyedLocks()
        self._events = KeyedLocks()
        self._due: list[tuple[int, str]] = []
        """When to look at which event; what was put off since is looked at too early, and put back."""
        self._news = asyncio.Event()

    # What clients do.

    async def add(self, user_id: str, device_id: str, txn_id: str | None, draft: Draft) -> str:
        """Keep an event until its time has come; return its delay id, for a repeated transaction the first one.

        Raises `M_FORBIDDEN` for who is not in the room, `M_UNKNOWN` for a delay that is too long and for too many
        events (with the proposal's own code beside it), `M_INVALID_PARAM`, `M_TOO_LARGE`.
        """
        content = _checked(draft)
        await self._access.joined(draft.room_id, user_id)
        async with self._users(user_id):
            known = await self._reader.of_user(user_id)
            for row in known:
                same = (row.device_id, row.txn_id, row.room_id) == (device_id, txn_id, draft.room_id)
                if txn_id is not None and same:
                    return row.delay_id
            if sum(row.outcome is None for row in known) >= MAX_SCHEDULED:
                raise _refusal("M_MAX_DELAYED_EVENTS_EXCEEDED", "You have too many delayed events.")
            row = DelayedEventRow(
                delay_id=self._entropy.token(ID_BYTES),
                user_id=user_id,
                device_id=device_id,
                txn_id=txn_id,
                room_id=draft.room_id,
                type=draft.type,
                state_key=draft.state_key,
                content=content,
                since=self._journal.durable,
                delay_ms=draft.delay_ms,
                running_since=self._clock.now_ms(),
                outcome=None,
                reason=None,
                error=None,
                event_id=None,
                finalised_ts=None,
            )
            await self._journal.submit(Batch([row]))
        self._schedule(row.due_ms, row.delay_id)
        return row.delay_id

    async def act(self, delay_id: str, action: Action) -> None:
        """Cancel, put off or send an event at once; what is done already with the same outcome is right.

        Raises `M_NOT_FOUND` where nothing is left to do it to, and what sending raises.
        """
        async with self._events(delay_id):
            row = await self._reader.by_id(delay_id)
            if row is not None and row.outcome == action:
                return
            if row is None or row.outcome is not None:
                raise not_found("There is no such delayed event, or it was sent or cancelled already.")
            if action == "send":
                error = await self._send(row, "action")
                if error is not None:
                    raise error
            elif action == "cancel":
                await self._finalise(row, "cancel", "action")
            else:
                now = self._clock.now_ms()
                await self._journal.submit(Batch([RestartDelayedEvent(now, delay_id)]))

    async def of_user(self, user_id: str) -> list[DelayedEventRow]:
        """Return a user's events, and those that were finalised not long ago."""
        return await self._reader.of_user(user_id)

    async def of(self, user_id: str, delay_id: str) -> DelayedEventRow:
        """Return one of the user's events; raise `M_NOT_FOUND`."""
        row = await self._reader.by_id(delay_id)
        if row is None or row.user_id != user_id:
            raise not_found("You have no such delayed event.")
        return row

    async def forget(self, user_id: str) -> None:
        """Delete all of a user's, whose account ended."""
        await self._journal.submit(Batch([DeleteDelayedEventsOf(user_id)]))

    # What time does.

    async def keep_sending(self) -> None:
        """Send what is due, for ever; after a restart first what should have been sent meanwhile, in order of time."""
        known = await self._reader.schedule()
        self._due = sorted(
            {*known, *self._due}
        )  # what was handed in meanwhile may be missing in what was read
        forgotten_ms = 0
        while True:
            now = self._clock.now_ms()
            if now - forgotten_ms >= FORGET_EVERY_MS:
                forgotten_ms = now
                await self._journal.submit(Batch([DeleteFinalisedEvents(now - FINALISED_KEPT_MS)]))
            if not self._due or self._due[0][0] > now:
                until_ms = forgotten_ms + FORGET_EVERY_MS
                await self._wait(min(until_ms, self._due[0][0]) - now if self._due else until_ms - now)
                continue
            _, delay_id = heapq.heappop(self._due)
            await self._send_if_due(delay_id)

    async def _wait(self, span_ms: int) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(span_ms / 1000):
                await self._news.wait()
        except TimeoutError:
            pass

    def _schedule(self, due_ms: int, delay_id: str) -> None:
        heapq.heappush(self._due, (due_ms, delay_id))
        if self._due[0][1] == delay_id:
            self._news.set()

    async def _send_if_due(self, delay_id: str) -> None:
        async with self._events(delay_id):
            row = await self._reader.by_id(delay_id)
            if row is None or row.outcome is not None:
                return
            if row.due_ms > self._clock.now_ms():
                self._schedule(row.due_ms, delay_id)
                return
            try:
                await self._send(row, "delay")
            except MatrixError as error:
                _log.warning("a delayed event has to wait", reason=error.errcode)
                self._schedule(self._clock.now_ms() + RETRY_MS, delay_id)

    async def _send(self, row: DelayedEventRow, reason: str) -> MatrixError | None:
        """Send an event and note it. A refusal is noted as well, and returned; what may pass is raised."""
        try:
            event_id = await self._put_into_room(row)
        except MatrixError as error:
            if error.status in (429, 503):
                raise
            await self._finalise(row, "cancel", "error", error)
            return error
        await self._finalise(row, "send", reason, event_id=event_id)
        return None

    async def _put_into_room(self, row: DelayedEventRow) -> str:
        content = parse_json(row.content)
        leaves = row.type == "m.room.member" and content.get("membership") == "leave"
        account = await self._accounts.access(row.user_id)
        if account.locked:
            raise user_locked()
        if account.suspended and not leaves:
            raise user_suspended()
        room = await self._access.joined(row.room_id, row.user_id)
        txn = Transaction(row.device_id, row.delay_id)
        if row.state_key is None:
            return await self._messages.send(room, row.user_id, row.type, content, txn)
        state = room.state.get((row.type, row.state_key))
        if state is not None and state.stored.position > row.since and state.stored.sender != row.user_id:
            raise MatrixError(
                409, "M_CANCELLED_BY_STATE_UPDATE", "Somebody else has set this state meanwhile."
            )
        return await self._set_state.set(row.room_id, row.user_id, row.type, row.state_key, content, txn=txn)

    async def _finalise(
        self,
        row: DelayedEventRow,
        outcome: str,
        reason: str,
        error: MatrixError | None = None,
        event_id: str | None = None,
    ) -> None:
        written = None if error is None else orjson.dumps(error.body())
        now = self._clock.now_ms()
        write = FinaliseDelayedEvent(outcome, reason, written, event_id, now, row.delay_id)
        await self._journal.submit(Batch([write]))


def _checked(draft: Draft) -> bytes:
    """Return the content of what may be delayed."""
    if draft.delay_ms <= 0:
        raise invalid_param("A delay must be a number of milliseconds above 0.")
    if draft.delay_ms > MAX_DELAY_MS:
        more = {"org.matrix.msc4140.max_delay": MAX_DELAY_MS}
        raise _refusal("M_MAX_DELAY_EXCEEDED", "The delay is longer than this server allows.", more)
    content = encode_canonical_checked(draft.content)
    if len(content) > MAX_EVENT_BYTES:
        raise MatrixError(413, "M_TOO_LARGE", "The event is larger than allowed.")
    return content


def _refusal(code: str, message: str, more: Mapping[str, Any] | None = None) -> MatrixError:
    return MatrixError(400, "M_UNKNOWN", message, {"org.matrix.msc4140.errcode": code, **(more or {})})
