"""Coroutines that begin at once: results, errors, cancellation, and what they see of asyncio meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from hamrasan.http.eager import Finished, start
from tests.http.running import run

T = TypeVar("T")
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")


def begin(coroutine: Coroutine[Any, Any, T]) -> Finished[T] | asyncio.Task[T]:
    return start(coroutine, asyncio.get_running_loop())


async def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Begin a coroutine that has to wait, and wait for it."""
    task = begin(coroutine)
    assert isinstance(task, asyncio.Task)
    return await task


def test_one_that_does_not_wait_needs_no_task() -> None:
    async def inner() -> int:
        return 7

    async def outer() -> int:
        return await inner() + await inner()

    async def test() -> None:
        result = begin(outer())
        assert isinstance(result, Finished)
        assert result.value == 14
        assert len(asyncio.all_tasks()) == 1

    run(test())


def test_an_error_before_the_first_wait_is_raised_at_once() -> None:
    async def fails() -> None:
        raise KeyError("now")

    async def test() -> None:
        with pytest.raises(KeyError):
            begin(fails())

    run(test())


def test_one_that_waits_goes_on_as_a_task() -> None:
    async def test() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def inner() -> int:
            return await future

        async def waits() -> int:
            first = await inner()
            await asyncio.sleep(0)
            return first + await asyncio.shield(asyncio.sleep(0, 5))

        task = begin(waits())
        assert isinstance(task, asyncio.Task)
        future.set_result(2)
        assert await task == 7

    run(test())


def test_a_future_that_fails_raises_where_it_is_awaited() -> None:
    async def test() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def waits() -> str:
            try:
                await future
            except ValueError as error:
                return str(error)
            return "no error"

        task = begin(waits())
        assert isinstance(task, asyncio.Task)
        future.set_exception(ValueError("seen"))
        assert await task == "seen"

    run(test())


@pytest.mark.parametrize("turns", [0, 1, 5])
def test_cancellation_reaches_it_whether_or_not_the_task_has_run(turns: int) -> None:
    async def test() -> None:
        seen: list[str] = []

        async def waits() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            finally:
                await asyncio.sleep(0)
                seen.append("cleaned up")

        task = begin(waits())
        assert isinstance(task, asyncio.Task)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == ["cancelled", "cleaned up"]

    run(test())


def test_a_cancellation_may_be_survived() -> None:
    async def test() -> None:
        async def survives() -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
            return "alive"

        task = begin(survives())
        assert isinstance(task, asyncio.Task)
        task.cancel()
        assert await task == "alive"

    run(test())


def test_timeouts_work_before_and_after_the_first_wait() -> None:
    async def before() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"
        return "did not"

    async def after() -> str:
        await asyncio.sleep(0)
        return await before()

    async def in_time() -> str:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
            return "in time"

    async def test() -> None:
        assert await finish(before()) == "timed out"
        assert await finish(after()) == "timed out"
        assert await finish(in_time()) == "in time"
        with pytest.raises(TimeoutError):
            await finish(asyncio.wait_for(asyncio.Event().wait(), 0.001))

    run(test())


def test_task_groups_work_before_the_first_wait() -> None:
    async def child(value: int) -> int:
        await asyncio.sleep(0)
        if value < 0:
            raise ValueError("negative")
        return value

    async def both(first: int, second: int) -> int:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child(first)), group.create_task(child(second))]
        return sum(task.result() for task in tasks)

    async def test() -> None:
        assert await finish(both(1, 2)) == 3
        with pytest.raises(ExceptionGroup):
            await finish(both(1, -2))

    run(test())


def test_may_be_nested_in_a_task_and_in_itself() -> None:
    async def inner() -> asyncio.Task[Any] | None:
        return asyncio.current_task()

    async def outer() -> bool:
        mine = asyncio.current_task()
        result = begin(inner())
        assert isinstance(result, Finished)
        return result.value is not mine and asyncio.current_task() is mine

    async def test() -> None:
        task = asyncio.current_task()
        result = begin(outer())
        assert isinstance(result, Finished)
        assert result.value
        assert asyncio.current_task() is task

    run(test())


def test_context_variables_stay_its_own() -> None:
    async def sets() -> str:
        variable.set("inside")
        await asyncio.sleep(0)
        return variable.get()

    async def test() -> None:
        assert await finish(sets()) == "inside"
        assert variable.get() == "outside"

    run(test())
