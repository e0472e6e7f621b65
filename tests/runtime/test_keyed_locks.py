from __future__ import annotations

import asyncio

from hamrasan.runtime.keyed_locks import KeyedLocks


def test_holders_of_one_key_take_turns_and_other_keys_do_not_wait() -> None:
    async def main() -> None:
        locks = KeyedLocks()
        steps: list[str] = []
        first_may_end = asyncio.Event()

        async def hold(key: str, name: str, until: asyncio.Event | None = None) -> None:
            async with locks(key):
                steps.append(f"{name} begins")
                if until is not None:
                    await until.wait()
                steps.append(f"{name} ends")

        first = asyncio.create_task(hold("a", "first", first_may_end))
        second = asyncio.create_task(hold("a", "second"))
        await asyncio.create_task(hold("b", "other"))
        assert steps == ["first begins", "other begins", "other ends"]
        first_may_end.set()
        await asyncio.gather(first, second)
        assert steps[3:] == ["first ends", "second begins", "second ends"]

    asyncio.run(main())


def test_locks_that_nobody_uses_are_gone() -> None:
    async def main() -> None:
        locks = KeyedLocks()
        for number in range(100):
            async with locks(f"@user{number}:example.org"):
                assert len(locks) == 1
        assert len(locks) == 0

    asyncio.run(main())
