"""What one other server is still to be told, and how far it is: in memory, and decided without waiting.

A destination is there only while there is something for it. Its events are kept in memory in their order as long as it
keeps up. When it fails, or too many come, they are forgotten, and read from the store from `sent_upto` on: then it *is
behind*, until it has everything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.storage.ports.exchange import DropLag, PutLag
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent
from hamrasan.storage.ports.user_data import ReceiptChanged

MAX_QUEUED = 500
"""Events that are kept in memory for a server; ten transactions. Who is further behind is sent them from the store."""
MAX_PDUS = 50
"""Server-server API, "Transactions"."""
MAX_EDUS = 100
"""Server-server API, "Transactions"."""
MAX_RECEIPTS = 2_000
"""Receipts that wait for a server; beyond it the oldest are not told: the next one in their room says as much."""
MAX_TYPISTS = 200
"""Changes of who types that wait for a server: it shows only those of rooms that somebody looks at."""
MAX_PRESENCE = 1_000
"""Users whose presence waits to be told to a server."""
MAX_DEVICE_USERS = 10_000
"""Users whose devices changed and a server is to ask for; as many as a large server has."""

ReceiptKey = tuple[str, str, str, str]
"""Room id, user id, type, thread id."""
TypistKey = tuple[str, str]
"""Room id and user id."""
NOTHING_SENT: tuple[Position, int] = (0, -1)
"""Before the first message to devices."""


class OutgoingEvent:
    """An event on its way to other servers; one object for all of them."""

    __slots__ = ("pdu", "room_id", "stored")

    def __init__(self, room_id: str, stored: StoredEvent) -> None:
        self.room_id = room_id
        self.stored = stored
        self.pdu: bytes | None = None
        """The signed event as canonical JSON, once somebody has needed it."""

    @property
    def position(self) -> Position:
        """Its position."""
        return self.stored.position


class Plan(NamedTuple):
    """What a server that is behind gets next: these events, and then it has all that it is to get up to `upto`."""

    positions: Sequence[Position]
    upto: Position


class Destination:
    """One other server, while there is something for it."""

    def __init__(self, name: str, lags_from: Position | None = None, *, recall: bool = False) -> None:
        """With `lags_from`, the server has what there is up to that position and nothing beyond.

        `recall` says that receipts and changes of devices from there on have to be found in the store, too.
        """
        self.name = name
        self.events: deque[OutgoingEvent] = deque()
        self.is_behind = lags_from is not None
        self.sent_upto: Position = lags_from or 0
        """Up to where it has all events; counts only while it is behind."""
        self.noted: Position = 0
        """Its last event that there is to send."""
        self.has_cursor = lags_from is not None
        """Whether it has a cursor of its own in the store."""
        self.has_to_recall = recall
        self.plan: Plan | None = None
        self.typing: BoundedCache[TypistKey, bool] = BoundedCache(MAX_TYPISTS)
        self.receipts: BoundedCache[ReceiptKey, ReceiptChanged] = BoundedCache(MAX_RECEIPTS)
        self.presence: BoundedCache[str, None] = BoundedCache(MAX_PRESENCE)
        self.devices: BoundedCache[str, Position] = BoundedCache(MAX_DEVICE_USERS)
        self.is_to_be_greeted = False
        """It is to hear that this server is there, if there is nothing else to tell it."""
        self.has_messages = False
        self.messages_upto = NOTHING_SENT
        self.failures = 0
        """Tries in a row that failed."""
        self.retry = asyncio.Event()
        """Somebody says that the server is there again."""

    # What there is to tell.

    def note_event(self, event: OutgoingEvent) -> None:
        """Take in the next event for the server."""
        self.noted = event.position
        if self.is_behind:
            return
        self.events.append(event)
        if len(self.events) > MAX_QUEUED:
            self.fall_behind()

    def note_receipt(self, receipt: ReceiptChanged) -> None:
        """Take in a receipt; it stands for those before it."""
        key = (receipt.room_id, receipt.user_id, receipt.type, receipt.thread_id)
        self.receipts.drop(key)
        self.receipts.put(key, receipt)

    def note_devices(self, user_id: str, position: Position) -> None:
        """Take in that the devices or keys of a user changed."""
        self.devices.drop(user_id)
        self.devices.put(user_id, position)

    @property
    def has_work(self) -> bool:
        """Whether there is anything to tell."""
        return bool(
            self.events
            or self.is_behind
            or self.has_messages
            or self.has_to_recall
            or self.is_to_be_greeted
            or len(self.typing)
            or len(self.receipts)
            or len(self.presence)
            or len(self.devices)
        )

    @property
    def floor(self) -> Position | None:
        """Up to where the server has everything that outlives a restart; None if there is nothing that it lacks.

        Messages to devices do not count: they are kept one by one.
        """
        lacking: list[Position] = []
        if self.is_behind:
            lacking.append(self.sent_upto + 1)
        elif self.events:
            lacking.append(self.events[0].position)
        lacking += (receipt.position for _, receipt in self.receipts.items())
        lacking += (position for _, position in self.devices.items())
        return min(lacking) - 1 if lacking else None

    # How far it is.

    def next_events(self) -> list[OutgoingEvent]:
        """Return the events of the next transaction, from memory; they stay there until `has_events`."""
        return list(islice(self.events, MAX_PDUS))

    def has_events(self, events: Iterable[OutgoingEvent]) -> None:
        """Take note that the server has the first of its events; it may have fallen behind in the meantime."""
        for event in events:
            if self.is_behind:
                self.sent_upto = max(self.sent_upto, event.position)
            else:
                self.events.popleft()

    def has_planned(self, last: Position | None) -> None:
        """Take note that the server has the events of its plan up to one; None: that there are none to send."""
        assert self.plan is not None
        positions, upto = self.plan
        rest = [] if last is None else [position for position in positions if position > last]
        self.sent_upto = last if rest and last is not None else upto
        self.plan = Plan(rest, upto) if rest else None
        if self.plan is None and self.noted <= upto:
            self.is_behind = False

    def fall_behind(self) -> None:
        """Forget the events in memory: they are in the store."""
        if not self.is_behind and self.events:
            self.sent_upto = self.events[0].position - 1
            self.is_behind = True
        self.events.clear()
        self.plan = None

    def cursor_write(self) -> PutLag | DropLag | None:
        """Return what keeps the server's own cursor right in the store, if it has one."""
        if not self.has_cursor:
            return None
        floor = self.floor
        if floor is not None:
            return PutLag(self.name, floor)
        self.has_cursor = False
        return DropLag(self.name)
