"""The registry: one object for a room, transactions, and what happens when the disk fails."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms import registry as registry_module
from hamrasan.rooms.new_event import Transaction
from hamrasan.storage.ports.journal import CommitFailed
from tests.rooms.engine import (
    ALICE,
    BOB,
    NAME,
    Engine,
    decided,
    durable,
    membership,
    message,
    new_txn,
    on_engine,
    state,
)


def test_an_unknown_room_is_not_found(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        with pytest.raises(MatrixError) as refusal:
            await engine.registry.get("!nowhere:example.org")
        assert (refusal.value.status, refusal.value.errcode) == (404, "M_NOT_FOUND")

    on_engine(tmp_path, scenario)


def test_a_room_is_loaded_once_for_all_who_ask(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        other = engine.fresh_registry()
        asked = await asyncio.gather(*(other.get(room.id) for _ in range(5)))
        assert len({id(loaded) for loaded in asked}) == 1
        assert other.loaded(room.id) is asked[0]
        assert decided(asked[0]) == decided(room)
        assert durable(asked[0]) == durable(room)

    on_engine(tmp_path, scenario)


def test_a_room_that_nobody_holds_leaves_memory_and_comes_back_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "MAX_LOADED_ROOMS", 2)

    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        await engine.registry.send(room, message(ALICE))
        room_id, before = room.id, (decided(room), durable(room))
        for _ in range(2):
            await engine.room()
        assert engine.registry.loaded(room_id) is room  # as long as somebody holds it, there is no second one
        del room
        gc.collect()
        assert engine.registry.loaded(room_id) is None
        again = await engine.registry.get(room_id)
        assert (decided(again), durable(again)) == before

    on_engine(tmp_path, scenario)


def test_a_repeated_transaction_gets_the_first_answer(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room, elsewhere = await engine.room(), await engine.room()
        for other in (room, elsewhere):
            await engine.registry.send(other, membership(BOB, "join"))
        txn = new_txn()
        first = await engine.registry.send(room, message(ALICE, "once", txn))
        head = room.head
        assert await engine.registry.send(room, message(ALICE, "once", txn)) == first
        assert await engine.registry.send(room, message(ALICE, "other words", txn)) == first
        assert await engine.fresh_registry().send(room, message(ALICE, "after a restart", txn)) == first
        assert room.head == head
        for room_of, event in (
            (elsewhere, message(ALICE, "another room", txn)),
            (room, message(BOB, "another user", txn)),
            (room, message(ALICE, "another device", Transaction("TABLET", txn.txn_id))),
            (room, message(ALICE, "another transaction", new_txn())),
        ):
            assert await engine.registry.send(room_of, event) != first

    on_engine(tmp_path, scenario)


def test_a_transaction_that_is_repeated_at_once_is_sent_once(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        txn, depth = new_txn(), room.depth
        ids = await asyncio.gather(
            *(engine.registry.send(room, message(ALICE, "once", txn)) for _ in range(3))
        )
        assert len(set(ids)) == 1
        assert room.depth == depth + 1

    on_engine(tmp_path, scenario)


def test_state_that_says_the_same_again_is_not_added_twice(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        first = await engine.registry.send(room, state(NAME, {"name": "Roof"}))
        head = room.head
        assert await engine.registry.send(room, state(NAME, {"name": "Roof"})) == first
        assert room.head == head
        assert await engine.registry.send(room, state(NAME, {"name": "Cellar"})) != first
        assert await engine.registry.send(room, state(NAME, {"name": "Roof"})) != first

    on_engine(tmp_path, scenario)


def test_a_room_whose_commit_failed_is_forgotten_and_read_again(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room, untouched = await engine.room(), await engine.room()
        await engine.registry.send(room, message(ALICE, "the device is known", new_txn()))
        before, tail = decided(room), durable(room)
        broken = engine.break_next_commit()
        sends = [
            asyncio.ensure_future(engine.registry.send(room, event))
            for event in (state(NAME, {"name": "Lost"}), membership(BOB, "join"), message(BOB, txn=new_txn()))
        ]
        outcomes = await asyncio.gather(broken, *sends, return_exceptions=True)
        assert all(isinstance(outcome, CommitFailed) for outcome in outcomes), outcomes
        assert room.stale
        assert engine.registry.loaded(room.id) is None
        assert engine.registry.loaded(untouched.id) is untouched
        assert not untouched.stale
        with pytest.raises(CommitFailed):
            engine.registry.begin(room)
        again = await engine.registry.get(room.id)
        assert again is not room
        assert (decided(again), durable(again)) == (before, tail)
        with pytest.raises(MatrixError):
            await engine.registry.send(again, message(BOB))
        await engine.registry.send(again, message(ALICE))
        assert decided(await engine.reloaded(again)) == decided(again)

    on_engine(tmp_path, scenario)


def test_a_transaction_whose_commit_failed_can_be_sent_again(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        await engine.registry.send(room, message(ALICE, "the device is known", new_txn()))
        txn = new_txn()
        broken = engine.break_next_commit()
        with pytest.raises(CommitFailed):
            await engine.registry.send(room, message(ALICE, "hello", txn))
        with pytest.raises(CommitFailed):
            await broken
        again = await engine.registry.get(room.id)
        sent = await engine.registry.send(again, message(ALICE, "hello", txn))
        stored = await engine.store.events.by_id(sent)
        assert stored is not None
        assert await engine.registry.send(again, message(ALICE, "hello", txn)) == sent

    on_engine(tmp_path, scenario)


def test_a_new_room_whose_commit_failed_does_not_exist(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        await engine.room()
        number = await engine.new_rooms.number()
        version = (await engine.room()).version
        room, decision = engine.new_rooms.begin(number, version, ALICE, {"type": "lost"})
        broken = engine.break_next_commit()
        with pytest.raises(CommitFailed):
            await engine.registry.create(room, decision)
        with pytest.raises(CommitFailed):
            await broken
        with pytest.raises(MatrixError) as refusal:
            await engine.registry.get(room.id)
        assert refusal.value.errcode == "M_NOT_FOUND"

    on_engine(tmp_path, scenario)


def test_rooms_created_in_the_same_millisecond_are_different_rooms(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        rooms = await asyncio.gather(*(engine.room() for _ in range(5)))
        assert len({room.id for room in rooms}) == 5
        assert len({room.number for room in rooms}) == 5
        for room in rooms:
            assert room.id[1:] == room.state["m.room.create", ""].stored.event_id[1:]

    on_engine(tmp_path, scenario)
