"""Coroutines that begin at once, and become a task only if they have to wait.

Most handlers end without waiting for anything, and a task would cost them more than their work. The first step runs
inside the caller's callback; if the coroutine yields a future, the rest of it runs as a task that first waits for that
future. While the first step runs, a `_FirstStep` stands in as the current task, because `asyncio.timeout` and task
groups ask for one and keep it; it passes on to the real task whatever they do to it later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Finished(Generic[T]):
    """The result of a coroutine that did not wait."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value


class _FirstStep:
    """What `asyncio.current_task()` returns during the first step (asyncio, "Extending": task lifetime)."""

    # Values of the class until somebody asks for more: nearly every one of these is thrown away untouched.
    _task: asyncio.Task[Any] | None = None
    _cancels = 0

    def cancel(self, msg: Any = None) -> bool:
        if self._task is not None:
            return self._task.cancel(msg)
        self._cancels += 1
        return True

    def cancelling(self) -> int:
        return self._cancels if self._task is None else self._task.cancelling()

    def uncancel(self) -> int:
        if self._task is not None:
            return self._task.uncancel()
        self._cancels = max(0, self._cancels - 1)
        return self._cancels

    def become(self, task: asyncio.Task[Any]) -> None:
        """Pass on to `task`, with the cancellations that were asked for before it existed."""
        self._task = task
        for _ in range(self._cancels):
            task.cancel()

    def __getattr__(self, name: str) -> Any:
        if self._task is None:
            raise AttributeError(name)
        return getattr(self._task, name)


def start(
    coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop
) -> Finished[T] | asyncio.Task[T]:
    """Run `coroutine` up to its first wait; return its result, or the task that runs the rest.

    Whatever it raises in the first step is raised here. Context variables that it sets stay its own, as in a task.
    May be called from anywhere in the loop's thread; inside a task that task is set aside for the step.
    """
    context = copy_context()
    stand_in = _FirstStep()
    outer = asyncio.current_task(loop)
    if outer is not None:
        asyncio._leave_task(loop, outer)
    asyncio._enter_task(loop, stand_in)  # type: ignore[arg-type]  # any object that acts as a task may stand here
    try:
        awaited = context.run(coroutine.send, None)
    except StopIteration as stop:
        return Finished(stop.value)
    finally:
        asyncio._leave_task(loop, stand_in)  # type: ignore[arg-type]  # the same object again
        if outer is not None:
            asyncio._enter_task(loop, outer)
    task = loop.create_task(_Rest(coroutine, awaited), context=context)
    stand_in.become(task)
    return task


class _Rest(Coroutine[Any, Any, T]):
    """The coroutine after its first step. Waits for what was asked for already, then hands everything through.

    An object rather than a generator: a task that is cancelled before it ran throws into what it was given, and a
    generator that has not begun would not pass that on.
    """

    __slots__ = ("_awaited", "_coroutine", "_primed")

    def __init__(self, coroutine: Coroutine[Any, Any, T], awaited: Any) -> None:
        self._coroutine = coroutine
        self._awaited = awaited
        self._primed = True

    def send(self, value: Any) -> Any:
        if self._primed:
            self._primed = False
            awaited, self._awaited = self._awaited, None
            return awaited
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        self._primed = False
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        raise RuntimeError("only a task runs this")
