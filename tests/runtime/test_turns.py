"""Long work is done a few pieces at a time for each of those who ask."""

from __future__ import annotations

import asyncio

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.turns import Turns


def test_each_has_a_few_turns_and_a_place_to_wait() -> None:
    async def scenario() -> None:
        turns, go_on = Turns(at_once=2, waiting=1), asyncio.Event()
        running: list[str] = []

        async def work(name: str) -> None:
            async with turns.turn(name):
                running.append(name)
                await go_on.wait()

        tasks = [asyncio.create_task(work("a")) for _ in range(3)]
        tasks.append(asyncio.create_task(work("b")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sorted(running) == ["a", "a", "b"]  # the third of `a` waits, and does not hold up `b`
        with pytest.raises(MatrixError) as refusal:
            await work("a")
        assert refusal.value.errcode == "M_LIMIT_EXCEEDED"
        go_on.set()
        await asyncio.gather(*tasks)
        assert sorted(running) == ["a", "a", "a", "b"]
        assert len(turns) == 0

    asyncio.run(scenario())


def test_who_gives_up_waiting_or_fails_leaves_nothing() -> None:
    async def scenario() -> None:
        turns = Turns(at_once=1, waiting=1)
        with pytest.raises(ZeroDivisionError):
            async with turns.turn("a"):
                raise ZeroDivisionError
        async with turns.turn("a"):
            waiting = asyncio.create_task(turns.turn("a").__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert len(turns) == 0

    asyncio.run(scenario())
