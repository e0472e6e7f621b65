"""Work that several wait for."""

from __future__ import annotations

import asyncio

import pytest

from hamrasan.runtime.shared_work import SharedWork


def test_work_under_way_is_not_begun_again() -> None:
    async def main() -> None:
        begun, go_on = 0, asyncio.Event()

        async def work() -> int:
            nonlocal begun
            begun += 1
            await go_on.wait()
            return begun

        shared = SharedWork[int]()
        waiting = [asyncio.ensure_future(shared.do("a", work)) for _ in range(3)]
        other = asyncio.ensure_future(shared.do("b", work))
        await asyncio.sleep(0)
        assert len(shared) == 2
        go_on.set()
        assert await asyncio.gather(*waiting, other) == [1, 1, 1, 2]
        assert len(shared) == 0
        assert await shared.do("a", work) == 3

    asyncio.run(main())


def test_who_leaves_takes_nothing_away_from_the_others() -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def work() -> str:
            await go_on.wait()
            return "done"

        shared = SharedWork[str]()
        leaves = asyncio.ensure_future(shared.do("a", work))
        stays = asyncio.ensure_future(shared.do("a", work))
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.wait([leaves])
        go_on.set()
        assert await stays == "done"

    asyncio.run(main())


def test_everybody_is_told_of_a_failure_and_the_next_one_tries_again() -> None:
    async def main() -> None:
        async def fails() -> str:
            raise ValueError("no")

        async def works() -> str:
            return "yes"

        shared = SharedWork[str]()
        results = await asyncio.gather(shared.do("a", fails), shared.do("a", fails), return_exceptions=True)
        assert [str(result) for result in results] == ["no", "no"]
        assert await shared.do("a", works) == "yes"

    asyncio.run(main())


def test_closing_ends_what_is_under_way() -> None:
    async def main() -> None:
        async def never() -> None:
            await asyncio.Event().wait()

        shared = SharedWork[None]()
        waiting = asyncio.ensure_future(shared.do("a", never))
        await asyncio.sleep(0)
        await shared.close()
        assert len(shared) == 0
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
