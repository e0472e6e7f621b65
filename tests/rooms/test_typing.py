from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hamrasan.rooms import typing as typing_module
from hamrasan.rooms.typing import MAX_TYPING_MS, MAX_TYPISTS, Typing
from hamrasan.runtime.clock import SystemClock
from tests.worlds import ManualClock

ROOM, OTHER = "!room", "!other"
ALICE, BOB = "@alice:x", "@bob:x"


async def until(typing: Typing, condition: Callable[[], bool]) -> None:
    """Wait for changes until `condition` holds."""
    changed = asyncio.Event()
    typing.on_change(lambda room_id, serial: changed.set())
    async with asyncio.timeout(20):
        while not condition():
            changed.clear()
            await changed.wait()


def test_each_change_has_a_number_and_is_told_once() -> None:
    async def scenario() -> None:
        typing = Typing(ManualClock())
        heard: list[tuple[str, int]] = []
        typing.on_change(lambda room_id, serial: heard.append((room_id, serial)))
        typing.start(ROOM, ALICE, 10_000)
        typing.start(ROOM, ALICE, 20_000)
        typing.start(ROOM, BOB, 10_000)
        typing.start(OTHER, BOB, 10_000)
        assert (typing.in_room(ROOM), typing.in_room(OTHER)) == ([ALICE, BOB], [BOB])
        typing.stop(ROOM, ALICE)
        typing.stop(ROOM, ALICE)
        typing.stop("!unknown", ALICE)
        assert heard == [(ROOM, 1), (ROOM, 2), (OTHER, 3), (ROOM, 4)]
        assert typing.serial == 4
        assert (typing.last_change(ROOM), typing.last_change(OTHER)) == (4, 3)
        typing.stop(ROOM, BOB)
        assert typing.in_room(ROOM) == []
        assert typing.last_change(ROOM) == 0, "nothing is kept of a room in which nobody types"

    asyncio.run(scenario())


def test_a_short_claim_ends_although_a_long_one_was_made_before() -> None:
    async def scenario() -> None:
        typing = Typing(SystemClock())
        typing.start(OTHER, ALICE, MAX_TYPING_MS)
        typing.start(ROOM, ALICE, MAX_TYPING_MS)
        typing.start(ROOM, BOB, 1)
        await until(typing, lambda: typing.in_room(ROOM) == [ALICE])
        assert typing.in_room(OTHER) == [ALICE]

    asyncio.run(scenario())


def test_a_claim_that_is_repeated_lasts_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typing_module, "SHORTEST_WAIT_S", 0.001)

    async def scenario() -> None:
        clock = ManualClock()
        typing = Typing(clock)
        typing.start(ROOM, ALICE, 4)
        typing.start(ROOM, BOB, 2)
        typing.start(ROOM, ALICE, 10_000)
        clock.advance(5)
        await until(typing, lambda: BOB not in typing.in_room(ROOM))
        assert typing.in_room(ROOM) == [ALICE]

    asyncio.run(scenario())


def test_a_claim_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typing_module, "MAX_TYPING_MS", 1)

    async def scenario() -> None:
        typing = Typing(SystemClock())
        typing.start(ROOM, ALICE, 10**12)
        await until(typing, lambda: typing.in_room(ROOM) == [])

    asyncio.run(scenario())


def test_a_crowd_is_cut() -> None:
    async def scenario() -> None:
        typing = Typing(ManualClock())
        for number in range(MAX_TYPISTS + 5):
            typing.start(ROOM, f"@user{number}:x", 10_000)
        assert len(typing.in_room(ROOM)) == MAX_TYPISTS

    asyncio.run(scenario())
