"""The worker processes, as the server sees them: a few, started when there is work, ended when something goes wrong."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

import hamrasan
from hamrasan.media.places import Places
from hamrasan.media.refusals import Refused, Size
from hamrasan.protocol.errors import unavailable
from hamrasan.runtime.log import get_logger

_log = get_logger(__name__)

WORKERS = 2
"""Processes at most: as many as the smallest machine has cores, and they are polite."""
MAX_WAITING = 200
"""Orders that wait for a worker: two screens full of pictures that nobody has looked at yet."""
RETRY_MS = 2_000
TIMEOUT_S = 30.0
"""For one order, whatever the machine does besides; a worker that takes longer is ended."""
ORDERS_PER_WORKER = 200
"""After that many a worker is replaced: libraries for pictures are known to keep memory."""
IDLE_S = 60.0
"""A worker without work ends after this long, and its memory is free for others."""
_COMMAND = (sys.executable, "-m", "hamrasan.media.worker")
_PACKAGES = str(Path(hamrasan.__file__).parent.parent)
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH")
"""Of the environment; settings in it, among them secrets, are no business of a worker."""


class Workers:
    """Has files of strangers looked into."""

    def __init__(self) -> None:
        self._places = Places(WORKERS, MAX_WAITING, RETRY_MS)
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()

    @property
    def processes(self) -> list[Process]:
        """Return the processes that run."""
        return [worker.process for worker in self._workers]

    async def end(self) -> None:
        """End every worker, and wait until the system has let go of it."""
        workers = list(self._workers)
        for worker in workers:
            self._end(worker)
        for worker in workers:
            await worker.process.wait()

    def _end(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        worker.end()

    async def make_thumbnail(
        self, source: Path, target: Path, box: Size | None, crop: bool, animated: bool
    ) -> tuple[str, int | None]:
        """Have a thumbnail of `source` made in `target`; return its type and size, or None if `source` is as good.

        Raises `Refused`, and `M_LIMIT_EXCEEDED` if too many are waiting.
        """
        answer = await self._order(
            do="thumbnail",
            source=str(source),
            target=str(target),
            box=box,
            crop=crop,
            animated=animated,
        )
        return answer["type"], answer["size"]

    async def describe_page(self, source: Path, charset: str | None) -> dict[str, str]:
        """Return what a page says about itself. Raises as `make_thumbnail` does."""
        properties: dict[str, str] = (await self._order(do="page", source=str(source), charset=charset))[
            "properties"
        ]
        return properties

    async def examine_picture(self, source: Path) -> tuple[str, int, int]:
        """Return content type, width and height of a picture. Raises as `make_thumbnail` does."""
        content_type, width, height = (await self._order(do="picture", source=str(source)))["picture"]
        return content_type, width, height

    async def _order(self, **order: Any) -> dict[str, Any]:
        async with self._places.one():
            answer = await self._carry_out(order)
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer

    async def _carry_out(self, order: dict[str, Any]) -> dict[str, Any]:
        worker = self._take_idle()
        if worker is None:
            worker = await _start()
            self._workers.add(worker)
        try:
            answer = await worker.carry_out(order)
        except BaseException:
            self._end(worker)
            raise
        if worker.orders < ORDERS_PER_WORKER:
            self._keep(worker)
        else:
            self._end(worker)
        return answer

    def _take_idle(self) -> _Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.process.returncode is None:
                return worker
            self._end(worker)
        return None

    def _keep(self, worker: _Worker) -> None:
        self._idle.append(worker)
        worker.end_at = asyncio.get_running_loop().call_later(IDLE_S, self._retire, worker)

    def _retire(self, worker: _Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
            self._end(worker)


class _Worker:
    """One process."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.orders = 0
        self.end_at: asyncio.TimerHandle | None = None

    async def carry_out(self, order: dict[str, Any]) -> dict[str, Any]:
        """Hand over an order and return the answer; a process that dies over it, or takes too long, refuses it."""
        if self.end_at is not None:
            self.end_at.cancel()
        self.orders += 1
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        line = b""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(TIMEOUT_S):
                stdin.write(json.dumps(order).encode() + b"\n")
                await stdin.drain()
                line = await stdout.readline()
        if not line.endswith(b"\n"):
            _log.warning("a file was too much for its worker", returncode=self.process.returncode)
            raise Refused("too large")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """End the process; the loop reaps it."""
        if self.end_at is not None:
            self.end_at.cancel()
        with suppress(ProcessLookupError):
            self.process.kill()


async def _start() -> _Worker:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment["PYTHONPATH"] = _PACKAGES
    try:
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment
        )
    except OSError as error:
        _log.error("no worker for files could be started", exc_info=error)
        raise unavailable("The server cannot look into files now; please try again later.") from error
    return _Worker(process)
