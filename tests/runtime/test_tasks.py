"""Background tasks: kept, reported, restarted, and ended in order."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from hamrasan.runtime.tasks import TaskSupervisor


async def _wait_for_ever() -> None:
    await asyncio.Event().wait()


async def _fail() -> None:
    raise ValueError("broken")


def test_a_failure_is_logged_with_the_name_of_the_task_and_counted() -> None:
    failed: list[str] = []

    async def scenario() -> None:
        supervisor = TaskSupervisor(failed.append)
        task = supervisor.spawn("outbox", _fail())
        await asyncio.wait([task])

    with capture_logs() as entries:
        asyncio.run(scenario())
    assert failed == ["outbox"]
    assert [(entry["task"], entry["log_level"]) for entry in entries] == [("outbox", "error")]
    assert str(entries[0]["exc_info"]) == "broken"


def test_closing_cancels_what_runs_and_lets_it_clean_up() -> None:
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await _wait_for_ever()
        finally:
            await asyncio.sleep(0)
            cleaned.append("done")

    async def scenario() -> list[str]:
        supervisor = TaskSupervisor()
        supervisor.spawn("push", work())
        await asyncio.sleep(0)
        return await supervisor.close(5)

    with capture_logs() as entries:
        assert asyncio.run(scenario()) == []
    assert cleaned == ["done"]
    assert entries == []


def test_closing_names_what_does_not_end_in_time() -> None:
    async def scenario() -> list[str]:
        release = asyncio.Event()

        async def stubborn() -> None:
            try:
                await _wait_for_ever()
            except asyncio.CancelledError:
                await release.wait()

        supervisor = TaskSupervisor()
        task = supervisor.spawn("stubborn", stubborn())
        await asyncio.sleep(0)
        names = await supervisor.close(0.01)
        release.set()
        await task
        return names

    with capture_logs() as entries:
        assert asyncio.run(scenario()) == ["stubborn"]
    assert entries[0]["tasks"] == ["stubborn"]


def test_nothing_starts_once_the_server_closes() -> None:
    async def scenario() -> None:
        supervisor = TaskSupervisor()
        await supervisor.close(1)
        with pytest.raises(RuntimeError, match="late"):
            supervisor.spawn("late", _wait_for_ever())

    asyncio.run(scenario())


def test_work_that_is_kept_running_is_started_again_until_it_returns() -> None:
    starts: list[int] = []
    failed: list[str] = []

    async def work() -> None:
        starts.append(len(starts))
        if len(starts) < 3:
            raise ValueError("not yet")

    async def scenario() -> None:
        await TaskSupervisor(failed.append).keep_running("sender", work, first_delay_s=0)

    with capture_logs() as entries:
        asyncio.run(scenario())
    assert starts == [0, 1, 2]
    assert failed == ["sender", "sender"]
    assert len(entries) == 2
