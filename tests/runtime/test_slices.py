"""Work in slices lets others run, and only when its time is up."""

from __future__ import annotations

import asyncio

from hamrasan.runtime.slices import SLICE_S, Slices, give_way
from tests.worlds import ManualClock


def test_others_run_once_the_slice_is_used_up() -> None:
    async def scenario() -> list[str]:
        clock = ManualClock()
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "other")
        slices = Slices(clock)
        await slices.pause()
        order.append("work")
        clock.advance(SLICE_S)
        await slices.pause()
        order.append("more work")
        return order

    assert asyncio.run(scenario()) == ["work", "other", "more work"]


def test_of_many_who_give_way_one_goes_on_in_each_turn() -> None:
    async def scenario() -> list[str]:
        order: list[str] = []
        loop = asyncio.get_running_loop()

        async def work(name: str) -> None:
            for _ in range(2):
                await give_way()
                order.append(name)

        def turn() -> None:
            order.append("|")
            if order.count("|") < 10:
                loop.call_soon(turn)

        tasks = [loop.create_task(work(name)) for name in "abc"]
        await asyncio.sleep(0)
        turn()
        await asyncio.gather(*tasks)
        return order

    turns = "".join(asyncio.run(scenario())).split("|")
    assert max(map(len, turns)) == 1
    assert "".join(turns) == "abcabc"


def test_who_is_cancelled_while_waiting_holds_up_nobody() -> None:
    async def scenario() -> bool:
        loop = asyncio.get_running_loop()
        first, second = loop.create_task(give_way()), loop.create_task(give_way())
        await asyncio.sleep(0)
        first.cancel()
        await second
        return first.cancelled()

    assert asyncio.run(scenario())
