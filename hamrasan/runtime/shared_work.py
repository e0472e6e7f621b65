"""Work that several may wait for, and that goes on when one of them leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from hamrasan.runtime.tasks import ignore_failure

T = TypeVar("T")


class SharedWork(Generic[T]):
    """Does work by name: whoever asks for what is being done already waits for that.

    The work is not cancelled with who asked for it, since others may wait, and what is half done would be done again.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[T]] = {}

    async def do(self, name: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the work called `name` gives, begun with `work` unless it is under way. Raises what it raises."""
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = asyncio.get_running_loop().create_task(work(), name=name)
            task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[T]) -> None:
        del self._tasks[task.get_name()]
        ignore_failure(task)  # whoever waits is told; perhaps nobody does any more

    def __len__(self) -> int:
        """Return how much work is under way."""
        return len(self._tasks)

    async def close(self) -> None:
        """Cancel what is under way, and wait for its end."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
