"""The processes that look into files."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hamrasan.media import workers as module
from hamrasan.media.refusals import Refused
from hamrasan.media.workers import Workers
from hamrasan.protocol.errors import MatrixError
from tests.media_files import picture

Scenario = Callable[[Workers], Awaitable[None]]
BOX = (32, 32)


def with_workers(scenario: Scenario) -> None:
    async def main() -> None:
        workers = Workers()
        try:
            await scenario(workers)
        finally:
            await workers.end()

    asyncio.run(main())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source"
    file.write_bytes(picture((200, 100)))
    return file


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def test_a_worker_takes_one_order_after_the_other(source: Path, target: Path) -> None:
    async def scenario(workers: Workers) -> None:
        for _ in range(3):
            assert (await workers.make_thumbnail(source, target, BOX, True, False))[0] == "image/jpeg"
        assert len(workers.processes) == 1

    with_workers(scenario)


def test_there_are_no_more_workers_than_places(source: Path, tmp_path: Path) -> None:
    async def scenario(workers: Workers) -> None:
        orders = [
            workers.make_thumbnail(source, tmp_path / str(number), BOX, True, False) for number in range(6)
        ]
        assert len(await asyncio.gather(*orders)) == 6
        assert len(workers.processes) <= module.WORKERS

    with_workers(scenario)


def test_a_worker_that_ends_is_replaced(source: Path, target: Path) -> None:
    async def scenario(workers: Workers) -> None:
        await workers.make_thumbnail(source, target, BOX, True, False)
        [first] = workers.processes
        first.send_signal(signal.SIGKILL)
        await first.wait()
        await workers.make_thumbnail(source, target, BOX, True, False)
        [second] = workers.processes
        assert second.pid != first.pid

    with_workers(scenario)


def test_what_takes_too_long_is_refused_and_its_worker_ended(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(workers: Workers) -> None:
        await workers.make_thumbnail(source, target, BOX, True, False)
        [process] = workers.processes
        process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
        with pytest.raises(Refused) as refused:
            await workers.make_thumbnail(source, target, BOX, True, False)
        assert refused.value.reason == "too large"
        assert await process.wait() != 0

    with_workers(scenario)


def test_a_picture_that_takes_too_much_memory_is_refused(tmp_path: Path, target: Path) -> None:
    bomb = tmp_path / "bomb"
    bomb.write_bytes(picture((9_990, 9_990), "WEBP", mode="RGBA"))

    async def scenario(workers: Workers) -> None:
        with pytest.raises(Refused) as refused:
            await workers.make_thumbnail(bomb, target, BOX, True, False)
        assert refused.value.reason == "too large"
        (tmp_path / "good").write_bytes(picture((200, 100)))
        assert (await workers.make_thumbnail(tmp_path / "good", target, BOX, True, False))[0] == "image/jpeg"

    with_workers(scenario)


def test_who_comes_when_too_many_wait_is_told_so(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 1)

    async def scenario(workers: Workers) -> None:
        orders = [
            asyncio.ensure_future(workers.make_thumbnail(source, tmp_path / str(number), BOX, True, False))
            for number in range(4)
        ]
        results = await asyncio.gather(*orders, return_exceptions=True)
        refused = [error for error in results if isinstance(error, MatrixError)]
        assert [error.errcode for error in refused] == ["M_LIMIT_EXCEEDED"]

    with_workers(scenario)


def test_a_worker_knows_no_secret_of_the_server(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAMRASAN_REGISTRATION_SHARED_SECRET", "not for pictures")

    async def scenario(workers: Workers) -> None:
        await workers.make_thumbnail(source, target, BOX, True, False)
        [process] = workers.processes
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()  # noqa: ASYNC240 - a file of the kernel
        assert b"not for pictures" not in environment

    with_workers(scenario)
