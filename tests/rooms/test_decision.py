"""Decisions: several events together or none, and a refusal changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hamrasan.protocol.auth_rules import NotAllowed
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.new_event import NewEvent
from hamrasan.storage.ports.rooms import PublishRoom, StoredEvent
from tests.rooms.engine import (
    ALICE,
    BOB,
    CAROL,
    JOIN_RULES,
    LEVELS,
    NAME,
    Engine,
    decided,
    membership,
    message,
    new_txn,
    on_engine,
    state,
)


def test_events_of_one_decision_become_durable_in_one_batch(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        first = engine.store.journal.next_position
        before = len(engine.committed)
        decision = engine.registry.begin(room)
        name = decision.add(state(NAME, {"name": "Roof"}))
        said = decision.add(message(ALICE))
        decision.batch.writes.append(PublishRoom(room.number))
        await engine.registry.commit(room, decision)
        assert [batch.positions for batch in engine.committed[before:]] == [2]
        assert (name.position, said.position) == (first, first + 1)
        assert [event.stored.event_id for event in room.tail][-2:] == [name.event_id, said.event_id]
        assert await engine.store.rooms.is_published(room.number)
        assert decided(await engine.reloaded(room)) == decided(room)

    on_engine(tmp_path, scenario)


@pytest.mark.parametrize(
    "accepted",
    [
        lambda: state(NAME, {"name": "Roof"}),
        lambda: state(LEVELS, {"users": {BOB: 50}, "ban": 60}),
        lambda: state(JOIN_RULES, {"join_rule": "invite"}),
        lambda: membership(BOB, "invite", ALICE),
        lambda: membership(CAROL, "leave", ALICE),
        lambda: membership(ALICE, "leave"),
        lambda: message(ALICE, txn=new_txn()),
    ],
    ids=["state", "levels", "join rule", "new member", "known member", "own", "transaction"],
)
def test_a_refusal_takes_everything_of_the_decision_back(
    tmp_path: Path, accepted: Callable[[], NewEvent]
) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        await engine.registry.send(room, membership(CAROL, "join"))
        await engine.registry.send(room, state(NAME, {"name": "Cellar"}))
        before, position = decided(room), engine.store.journal.next_position
        decision = engine.registry.begin(room)
        decision.add(accepted())
        assert decided(room) != before
        with pytest.raises(NotAllowed):
            decision.add(message("@nobody:example.org"))
        assert decided(room) == before
        assert engine.store.journal.next_position == position
        await engine.registry.send(room, message(CAROL))

    on_engine(tmp_path, scenario)


def test_undo_after_every_event_was_accepted(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        before = decided(room)
        decision = engine.registry.begin(room)
        decision.add(membership(BOB, "join"))
        decision.add(state(LEVELS, {"users": {BOB: 100}}))
        decision.add(state(NAME, {"name": "Bob's"}, BOB))
        decision.undo()
        assert decided(room) == before
        assert engine.registry.allows(room, membership(BOB, "join"))
        assert decided(room) == before
        assert not engine.registry.allows(room, state(NAME, {"name": "Bob's"}, BOB))
        assert decided(room) == before

    on_engine(tmp_path, scenario)


def test_an_event_is_as_large_as_it_may_be_or_refused(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        await engine.registry.send(room, message(ALICE, "x" * 62_000))
        before = decided(room)
        for too_large in (
            message(ALICE, "x" * 66_000),
            NewEvent("t" * 256, ALICE, {}),
            NewEvent("m.room.topic", ALICE, {}, "k" * 256),
        ):
            with pytest.raises(MatrixError) as refusal:
                await engine.registry.send(room, too_large)
            assert refusal.value.errcode == "M_TOO_LARGE"
            assert decided(room) == before

    on_engine(tmp_path, scenario)


def test_two_rooms_are_decided_on_together(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        one, other = await engine.room(), await engine.room()
        before = len(engine.committed)
        first = engine.registry.begin(one)
        first.add(state(NAME, {"name": "One"}))
        second = engine.registry.begin(other, after=first)
        second.add(state(NAME, {"name": "Other"}))
        second.add(message(ALICE))
        await engine.registry.commit(other, second)
        assert [batch.positions for batch in engine.committed[before:]] == [3]
        for room in (one, other):
            reloaded = await engine.reloaded(room)
            assert decided(reloaded) == decided(room)
            assert room.durable_head == room.head

    on_engine(tmp_path, scenario)


def test_of_two_rooms_neither_changes_if_one_refuses(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        one, other = await engine.room(), await engine.room()
        before = decided(one), decided(other)
        first = engine.registry.begin(one)
        first.add(state(NAME, {"name": "One"}))
        second = engine.registry.begin(other, after=first)
        second.add(state(NAME, {"name": "Other"}))
        with pytest.raises(NotAllowed):
            second.add(message(BOB))
        assert (decided(one), decided(other)) == before

    on_engine(tmp_path, scenario)


def test_who_may_redact_whose_events(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room, elsewhere = await engine.room(), await engine.room()
        registry = engine.registry
        await registry.send(room, membership(BOB, "join"))
        await registry.send(elsewhere, membership(BOB, "join"))
        ids = [await registry.send(room, message(who, "secret")) for who in (ALICE, BOB)]
        alices, bobs = [await engine.store.events.by_id(event_id) for event_id in ids]
        create = room.state["m.room.create", ""].stored

        def redaction(sender: str, target: StoredEvent | None) -> NewEvent:
            assert target is not None
            return NewEvent("m.room.redaction", sender, {}, redacts=target)

        assert registry.allows(room, redaction(BOB, bobs))
        assert not registry.allows(room, redaction(BOB, alices))
        assert registry.allows(room, redaction(ALICE, bobs))
        assert not registry.allows(elsewhere, redaction(BOB, bobs))
        assert not registry.allows(room, redaction(ALICE, create))
        redaction_id = await registry.send(room, redaction(ALICE, bobs))
        assert bobs is not None
        after = await engine.store.events.by_id(bobs.event_id)
        assert after is not None
        assert (after.content, after.redacted_by) == (b"{}", redaction_id)
        assert [event.stored for event in room.tail if event.stored.event_id == bobs.event_id] == [after]

    on_engine(tmp_path, scenario)


def test_power_levels_that_are_redacted_no_longer_count(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room("11", users={ALICE: 100}, notifications={"room": 10})
        levels = room.state[LEVELS, ""].stored
        assert room.power_levels.notification("room") == 10
        await engine.registry.send(room, NewEvent("m.room.redaction", ALICE, {}, redacts=levels))
        assert room.power_levels.notification("room") == 50
        assert room.power_levels.of(ALICE) == 100
        assert decided(await engine.reloaded(room)) == decided(room)

    on_engine(tmp_path, scenario)
