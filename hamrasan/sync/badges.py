"""How much a user has not read in all rooms together, for devices that show a number without asking."""

from __future__ import annotations

from hamrasan.rooms.registry import RoomRegistry
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.user_data import UNTHREADED, ReceiptReader
from hamrasan.sync.notifier import Notifier, RoomActivity
from hamrasan.sync.unread import UnreadCounter

MAX_ROOMS = 500
"""Rooms that are looked at because they may have something unread, those with the latest events first: whoever has more
of them is not helped by an exact number, and each has to be loaded once."""


class BadgeCounter:
    """Sums up the same counts that `/sync` shows."""

    def __init__(
        self,
        notifier: Notifier,
        registry: RoomRegistry,
        receipts: ReceiptReader,
        counter: UnreadCounter,
        clock: Clock,
    ) -> None:
        self._notifier = notifier
        self._registry = registry
        self._receipts = receipts
        self._counter = counter
        self._clock = clock

    async def unread(self, user_id: str) -> int:
        """Return the number of unread notifications in all rooms that a user is in."""
        stream = await self._notifier.stream(user_id)
        slices = Slices(self._clock)
        total = 0
        read: dict[int, Position] | None = None
        outdated: list[RoomActivity] = []
        for activity in list(stream.joined.values()):
            known = stream.unread.get(activity.room_id)
            if known is not None and known.upto >= activity.events:
                total += known.total()[0]
                continue
            if known is None:
                if read is None:
                    read = await self._read_upto(user_id)
                if read.get(activity.number, 0) >= activity.events:
                    continue
            outdated.append(activity)
        outdated.sort(key=lambda activity: activity.events, reverse=True)
        for activity in outdated[:MAX_ROOMS]:
            await slices.pause()
            room = await self._registry.get(activity.room_id)
            counted = await self._counter.count(stream.unread, room, user_id, self._notifier.durable)
            total += counted.total()[0]
        return total

    async def _read_upto(self, user_id: str) -> dict[int, Position]:
        """Return, for each room, the position up to which a user has read all of it."""
        read: dict[int, Position] = {}
        for row in await self._receipts.of_user(user_id):
            if row.thread_id == UNTHREADED:
                read[row.room] = max(read.get(row.room, 0), row.event_position)
        return read
