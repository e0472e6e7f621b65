"""Repeated transactions are known by a room's last events: in memory, and after a restart."""

from __future__ import annotations

from pathlib import Path

from hamrasan.rooms.new_event import Transaction
from hamrasan.rooms.transactions import REMEMBERED, Transactions
from tests.rooms.engine import ALICE, BOB, Engine, message, new_txn, on_engine


def test_the_latest_are_remembered() -> None:
    transactions = Transactions()
    txns = [Transaction("PHONE", str(number)) for number in range(2 * REMEMBERED)]
    for position, txn in enumerate(txns):
        assert not transactions.may_know(ALICE, txn)
        transactions.note(ALICE, txn)
        if position % 97 == 0:
            for known in range(max(0, position - REMEMBERED + 1), position + 1, 13):
                assert transactions.may_know(ALICE, txns[known])
    assert not transactions.may_know(ALICE, txns[0])
    assert len(transactions) < 2 * REMEMBERED


def test_user_and_device_belong_to_a_transaction() -> None:
    transactions = Transactions()
    transactions.note(ALICE, Transaction("PHONE", "1"))
    assert transactions.may_know(ALICE, Transaction("PHONE", "1"))
    assert not transactions.may_know(BOB, Transaction("PHONE", "1"))
    assert not transactions.may_know(ALICE, Transaction("TABLET", "1"))
    transactions.forget(ALICE, Transaction("PHONE", "1"))
    assert not transactions.may_know(ALICE, Transaction("PHONE", "1"))


def test_after_a_restart_the_last_events_of_the_room_are_looked_at(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        txns = [new_txn() for _ in range(700)]
        ids = [await engine.registry.send(room, message(ALICE, "once", txn)) for txn in txns]
        registry = engine.fresh_registry()
        again = await registry.get(room.id)
        head = again.head
        for index in (-1, -2, 0, 350):
            assert await registry.send(again, message(ALICE, "once", txns[index])) == ids[index]
        assert again.head == head
        for index in (-1, 0):
            assert await engine.registry.send(room, message(ALICE, "once", txns[index])) == ids[index]

    on_engine(tmp_path, scenario)


def test_a_transaction_that_came_to_nothing_may_be_tried_again(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        txn = new_txn()
        assert await engine.registry.find_transaction(room, ALICE, txn) is None
        decision = engine.registry.begin(room)
        decision.add(message(ALICE, "never", txn))
        decision.undo()
        event_id = await engine.registry.send(room, message(ALICE, "now", txn))
        (stored,) = await engine.store.events.by_ids([event_id])
        assert stored.content == b'{"body":"now","msgtype":"m.text"}'

    on_engine(tmp_path, scenario)
