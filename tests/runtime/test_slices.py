"""Work in slices lets others run, and only when its time is up."""

from __future__ import annotations

import asyncio

from hamrasan.runtime.slices import SLICE_S, Slices
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
