"""Background work with a name and somebody who looks after it.

A bare `asyncio.create_task` may be collected while it runs, and its failure is seen by nobody. Every task of
the server is started here instead: it is kept, its failure is logged and counted, and shutdown waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from hamrasan.runtime.log import get_logger

_log = get_logger(__name__)

RESTART_DELAY_S = 1.0
"""First pause before a failed task is started again: long enough not to fill the log, short enough not to be
felt.
"""

MAX_RESTART_DELAY_S = 60.0
"""The pause doubles with each failure up to this, so that a lasting fault costs one log line a minute."""


def _ignore(name: str) -> None:
    """Nobody counts failures."""


class TaskSupervisor:
    """Starts, keeps and ends the background tasks of one server."""

    def __init__(self, on_failure: Callable[[str], None] = _ignore) -> None:
        """`on_failure` is called with the name of a task that failed (for a metric); it must not raise."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_failure = on_failure
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` in the background. If it fails, that is logged; it is not started again.

        Raises `RuntimeError` once `close` was called: new work would have nobody to wait for it.
        """
        if self._closing:
            work.close()
            raise RuntimeError(f"task {name!r} was started while the server was closing")
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def keep_running(
        self, name: str, work: Callable[[], Awaitable[None]], first_delay_s: float = RESTART_DELAY_S
    ) -> asyncio.Task[None]:
        """Run `work()` and, whenever it fails, run it again after a growing pause. It ends when `work`
        returns.
        """
        return self.spawn(name, self._repeat(name, work, first_delay_s))

    async def _repeat(self, name: str, work: Callable[[], Awaitable[None]], first_delay_s: float) -> None:
        delay = first_delay_s
        while True:
            try:
                await work()
                return
            except Exception as error:
                self._report(name, error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, MAX_RESTART_DELAY_S)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._report(task.get_name(), error)

    def _report(self, name: str, error: BaseException) -> None:
        _log.error("a background task failed", task=name, exc_info=error)
        self._on_failure(name)

    async def close(self, grace_s: float) -> list[str]:
        """Cancel every task and wait up to `grace_s` seconds; return the names of those that did not end."""
        self._closing = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if not tasks:
            return []
        _, pending = await asyncio.wait(tasks, timeout=grace_s)
        names = sorted(task.get_name() for task in pending)
        if names:
            _log.warning("background tasks did not end in time", tasks=names, grace_s=grace_s)
        return names


def ignore_failure(done: asyncio.Future[Any]) -> None:
    """Take note, as a callback, that work came to an end of which nobody needs to know how."""
    if not done.cancelled():
        done.exception()
