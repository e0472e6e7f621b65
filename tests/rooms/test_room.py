"""What a room keeps of its last events in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from hamrasan.rooms import room as module
from hamrasan.rooms.room import Room
from tests.rooms.engine import ALICE, Engine, message, on_engine


def size_of_tail(room: Room) -> int:
    return sum(len(event.stored.content) + len(event.stored.envelope) for event in room.tail)


def test_the_tail_is_bounded_by_events_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAIL_BYTES", 10_000)

    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        sent = [await engine.registry.send(room, message(ALICE, str(number))) for number in range(100)]
        assert [event.stored.event_id for event in room.tail][-2:] == sent[-2:]
        assert len(room.tail) < module.TAIL_EVENTS
        assert 9_000 < size_of_tail(room) == room.tail_bytes <= 10_000
        dropped = await engine.store.events.by_id(sent[-len(room.tail) - 1])
        assert dropped is not None
        assert room.tail_start == dropped.position
        # Where one event alone is larger, it is the whole tail.
        large = await engine.registry.send(room, message(ALICE, "x" * 30_000))
        assert [event.stored.event_id for event in room.tail] == [large]
        small = await engine.registry.send(room, message(ALICE, "x"))
        assert [event.stored.event_id for event in room.tail] == [small]
        assert size_of_tail(room) == room.tail_bytes

    on_engine(tmp_path, scenario)


def test_usual_events_fill_the_tail(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        for number in range(module.TAIL_EVENTS + 5):
            await engine.registry.send(room, message(ALICE, str(number)))
        assert len(room.tail) == module.TAIL_EVENTS

    on_engine(tmp_path, scenario)


def test_an_event_takes_little_more_memory_than_its_length(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        await engine.registry.send(room, message(ALICE, "سلام"))
        (last,) = list(room.tail)[-1:]
        tracemalloc.start()
        try:
            await engine.registry.send(room, message(ALICE, "سلام"))
            (event,) = list(room.tail)[-1:]
            kept = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*canonical_json.py")])
        finally:
            tracemalloc.stop()
        length = len(event.stored.content) + len(event.stored.envelope)
        assert length < len(last.stored.content) + len(last.stored.envelope) + 10
        assert sum(trace.size for trace in kept.traces) < length + 500

    on_engine(tmp_path, scenario)
