from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hamrasan.accounts.account_data import AccountData
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.history import History
from hamrasan.rooms.receipts import Receipts
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.journal import CommitFailed, Position
from hamrasan.storage.ports.user_data import ReceiptChanged
from tests.rooms.engine import ALICE, BOB, Engine, membership, message, on_engine

READ = "m.read"


class Reading:
    """A room of two with five messages, and the service that marks them as read."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.heard: list[ReceiptChanged] = []
        engine.store.journal.listen(ReceiptChanged, self.heard.append)

    async def begin(self) -> None:
        self.room: Room = await self.engine.room()
        await self.engine.registry.send(self.room, membership(BOB, "join"))
        self.ids = [await self.engine.registry.send(self.room, message(ALICE)) for _ in range(5)]
        self.receipts = self.fresh_receipts()

    def fresh_receipts(self) -> Receipts:
        """Return a service that has nothing in memory."""
        store, registry = self.engine.store, self.engine.registry
        access = RoomAccess(registry, store.rooms, History(store.state))
        account_data = AccountData(store.journal, store.account_data)
        return Receipts(store.journal, access, store.events, store.receipts, account_data, self.engine.clock)

    async def mark(self, index: int, type: str = READ) -> None:
        await self.receipts.mark(self.room.id, BOB, {type: self.ids[index]})

    async def marked(self) -> list[str]:
        """Return the events that the store's receipts name."""
        return [
            row.event_id for row in await self.engine.store.receipts.of_user_in_room(BOB, self.room.number)
        ]


def test_marks_that_come_together_end_at_the_last_event(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        reading = Reading(engine)
        await reading.begin()
        await asyncio.gather(*[reading.mark(index) for index in (2, 0, 4, 3, 1)])
        assert await reading.marked() == [reading.ids[4]]
        positions = [item.event_position for item in reading.heard]
        assert positions == sorted(positions), "nobody heard of a step back"

    on_engine(tmp_path, scenario)


def test_a_service_that_remembers_nothing_asks_the_store(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        reading = Reading(engine)
        await reading.begin()
        await reading.mark(3)
        before = engine.store.journal.next_position
        reading.receipts = reading.fresh_receipts()
        await reading.mark(3)
        await reading.mark(1)
        assert engine.store.journal.next_position == before
        assert await reading.marked() == [reading.ids[3]]

    on_engine(tmp_path, scenario)


def test_a_mark_that_could_not_be_stored_is_not_remembered(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        reading = Reading(engine)
        await reading.begin()
        broken = engine.break_next_commit()
        with pytest.raises(CommitFailed):
            await reading.mark(4)
        await asyncio.gather(broken, return_exceptions=True)
        assert await reading.marked() == []
        await reading.mark(2)
        assert await reading.marked() == [reading.ids[2]]
        assert [item.event_id for item in reading.heard] == [reading.ids[2]]

    on_engine(tmp_path, scenario)


def test_marks_of_one_request_take_positions_one_after_the_other(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        reading = Reading(engine)
        await reading.begin()
        first: Position = engine.store.journal.next_position
        marks = {"m.fully_read": reading.ids[0], READ: reading.ids[1], "m.read.private": reading.ids[2]}
        await reading.receipts.mark(reading.room.id, BOB, marks)
        assert engine.store.journal.durable == first + 2
        assert [item.position for item in reading.heard] == [first + 1, first + 2]
        rows = await engine.store.account_data.of_room(BOB, reading.room.id)
        assert [(row.type, row.position) for row in rows] == [("m.fully_read", first)]

    on_engine(tmp_path, scenario)
