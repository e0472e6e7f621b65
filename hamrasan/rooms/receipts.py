"""Receipts and the fully read marker (client-server API, "Receipts", "Fully read markers").

They only move forward: a receipt for an event before the one that the former receipt names changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from hamrasan.accounts.account_data import FULLY_READ, AccountData, account_data_change
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError, invalid_param
from hamrasan.protocol.relations import MAX_THREAD_HOPS, THREAD
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.room import Room
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.journal import Batch, Journal, Position
from hamrasan.storage.ports.rooms import EventReader, StoredEvent
from hamrasan.storage.ports.user_data import (
    READ,
    READ_PRIVATE,
    UNTHREADED,
    PutReceipt,
    ReceiptChanged,
    ReceiptReader,
)

MAIN_THREAD = "main"
"""The thread of all events that are in no thread."""
CACHED_MARKS = 100_000
"""Marks whose place is kept in memory: those of the rooms that people have open."""
RECEIPT_TYPES = (READ, READ_PRIVATE, FULLY_READ)


class _Mark(NamedTuple):
    """What is told apart: a user has one place for each of these."""

    room: int
    user_id: str
    type: str
    thread_id: str


_Target = tuple[_Mark, StoredEvent, int]
"""A mark, the event that it moves to, and when."""


class RemoteReceipt(NamedTuple):
    """A public receipt, as another server tells it."""

    user_id: str
    event_id: str
    ts: int
    thread_id: str


class Receipts:
    """Takes note of how far users have read."""

    def __init__(
        self,
        journal: Journal,
        access: RoomAccess,
        events: EventReader,
        reader: ReceiptReader,
        account_data: AccountData,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._access = access
        self._events = events
        self._reader = reader
        self._account_data = account_data
        self._clock = clock
        self._latest: BoundedCache[_Mark, Position] = BoundedCache(CACHED_MARKS)
        """Where marks are, those that are not durable yet included: what comes meanwhile must not move them back."""

    async def mark(
        self, room_id: str, user_id: str, marks: Mapping[str, str], thread_id: str = UNTHREADED
    ) -> None:
        """Move the user's marks (event ids by type: `m.read`, `m.read.private`, `m.fully_read`) forward, all or none.

        Raises `M_FORBIDDEN` for who is not in the room, `M_NOT_FOUND` for an event that is not in it or hidden,
        `M_INVALID_PARAM` for another type and for a thread that the event is not part of.
        """
        room = await self._access.joined(room_id, user_id)
        targets: list[_Target] = []
        now = self._clock.now_ms()
        for type, event_id in marks.items():
            if type not in RECEIPT_TYPES:
                raise invalid_param(f"A receipt is one of {', '.join(RECEIPT_TYPES)}, not '{type}'.")
            if type == FULLY_READ and thread_id != UNTHREADED:
                raise invalid_param("The fully read marker is for the whole room: it takes no 'thread_id'.")
            _, event = await self._access.visible_event(room_id, event_id, user_id)
            if thread_id != UNTHREADED:
                await self._check_thread(event.stored, thread_id)
            targets.append((_Mark(room.number, user_id, type, thread_id), event.stored, now))
        await self._move(room, targets)

    async def receive(self, room: Room, receipts: Sequence[RemoteReceipt]) -> None:
        """Move receipts of users of other servers forward (server-server API, "Receipts").

        The caller knows that their users are in the room. Receipts for events that are not known here move nothing.
        """
        found = await self._events.by_ids(list({receipt.event_id for receipt in receipts}))
        events = {stored.event_id: stored for stored in found if stored.room == room.number}
        latest_ts = self._clock.now_ms()
        targets: list[_Target] = []
        for user_id, event_id, ts, thread_id in receipts:
            if event_id in events:
                mark = _Mark(room.number, user_id, READ, thread_id)
                targets.append((mark, events[event_id], min(ts, latest_ts)))
        if targets:
            await self._move(room, targets)

    async def thread_of(self, stored: StoredEvent) -> str:
        """Return the root of the thread that an event is part of, or `main` ("Threaded read receipts")."""
        for _ in range(MAX_THREAD_HOPS):
            if stored.rel_type is None or stored.relates_to is None:
                break
            if stored.rel_type == THREAD:
                return stored.relates_to
            parent = await self._events.by_id(stored.relates_to)
            if parent is None or parent.room != stored.room:
                break
            stored = parent
        return MAIN_THREAD

    async def _check_thread(self, stored: StoredEvent, thread_id: str) -> None:
        # Clients also mark the root as read in its own thread, before the first reply.
        if thread_id not in (stored.event_id, await self.thread_of(stored)):
            raise invalid_param(f"The event {stored.event_id} is not in the thread '{thread_id}'.")

    async def _move(self, room: Room, targets: list[_Target]) -> None:
        known = [await self._position_of(mark, room.id) for mark, _, _ in targets]
        # From here on nothing waits until the batch is handed over.
        batch = Batch()
        moved: list[_Mark] = []
        for (mark, stored, ts), position in zip(targets, known, strict=True):
            if stored.position > max(position, self._latest.get(mark) or 0):
                self._add(batch, room, mark, stored, ts)
                self._latest.put(mark, stored.position)
                moved.append(mark)
        if not moved:
            return
        try:
            await self._journal.submit(batch)
        except MatrixError:
            for mark in moved:
                self._latest.drop(mark)
            raise

    def _add(self, batch: Batch, room: Room, mark: _Mark, stored: StoredEvent, ts: int) -> None:
        position = self._journal.next_position + batch.positions
        batch.positions += 1
        if mark.type == FULLY_READ:
            content = orjson.dumps({"event_id": stored.event_id})
            write, item = account_data_change(position, mark.user_id, room.id, FULLY_READ, content)
            batch.writes.append(write)
            batch.feed.append(item)
            return
        batch.writes.append(PutReceipt(*mark, stored.event_id, stored.position, ts, position))
        batch.feed.append(
            ReceiptChanged(
                position,
                room.id,
                mark.user_id,
                mark.type,
                mark.thread_id,
                stored.event_id,
                ts,
                stored.position,
                room.number,
            )
        )

    async def _position_of(self, mark: _Mark, room_id: str) -> Position:
        """Return the position of the event that a mark names, 0 if there is none."""
        if (latest := self._latest.get(mark)) is not None:
            return latest
        if mark.type != FULLY_READ:
            rows = await self._reader.of_user_in_room(mark.user_id, mark.room)
            same = (row for row in rows if (row.type, row.thread_id) == (mark.type, mark.thread_id))
            return max((row.event_position for row in same), default=0)
        content = await self._account_data.load(mark.user_id, room_id, FULLY_READ)
        event_id = None if content is None else parse_json(content).get("event_id")
        stored = await self._events.by_id(event_id) if isinstance(event_id, str) else None
        return stored.position if stored is not None and stored.room == mark.room else 0
