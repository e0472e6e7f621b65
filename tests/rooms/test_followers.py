"""Whoever follows the committed events gets each of them once, in order, however slow it is and whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.followers import EVENTS_AT_ONCE, MAX_KEPT, UNSAVED, EventFeed, FollowedEvent, Follower
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.accounts import AnnounceOutsideChange
from hamrasan.storage.ports.cursors import PutCursor
from hamrasan.storage.ports.journal import Batch, CommitFailed, Probe
from tests.rooms.engine import ALICE, Engine, message, on_engine


class Listener:
    """Takes down what it is handed."""

    def __init__(self, engine: Engine, *, writes: bool = True) -> None:
        self.heard: list[FollowedEvent] = []
        self.steps: list[int] = []
        self._writes = writes
        self._changed = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        store = engine.store
        self.follower = Follower(
            "listener", EventFeed(store.journal, store.events), store.journal, store.cursors, self._handle
        )

    async def _handle(self, events: Sequence[FollowedEvent]) -> Batch | None:
        self.heard += events
        self.steps.append(len(events))
        self._changed.set()
        await self.may_go_on.wait()
        return Batch([AnnounceOutsideChange()]) if self._writes else None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was heard fulfils a condition."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    @property
    def ids(self) -> list[str]:
        return [followed.event.event_id for followed in self.heard]


async def send(engine: Engine, room: Room, count: int) -> list[str]:
    return [await engine.registry.send(room, message(ALICE, f"{number}")) for number in range(count)]


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def cursor_after(engine: Engine, before: int | None) -> int:
    """Return the listener's cursor once it is another than `before`."""
    while (cursor := await engine.store.cursors.cursor("listener")) == before or cursor is None:
        await engine.store.journal.submit(Batch([Probe()]))  # ends with the next commit
    return cursor


def test_who_never_followed_begins_now_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room, other = await engine.room(), await engine.room()
        await send(engine, room, 3)
        first = Listener(engine)
        task = asyncio.create_task(first.follower.run())
        await cursor_after(engine, None)
        expected = await send(engine, room, 2) + await send(engine, other, 2)
        await first.until(lambda: len(first.heard) == 4)
        await engine.store.journal.submit(
            Batch([AnnounceOutsideChange()])
        )  # so that its last step is durable
        await stop(task)
        assert first.ids == expected
        assert [followed.room_id for followed in first.heard] == [room.id] * 2 + [other.id] * 2

        missed = await send(engine, other, EVENTS_AT_ONCE + 5)
        second = Listener(engine)
        task = asyncio.create_task(second.follower.run())
        later = await send(engine, room, 3)
        await second.until(lambda: len(second.heard) >= len(missed) + len(later))
        await stop(task)
        assert second.ids == missed + later
        assert max(second.steps) <= EVENTS_AT_ONCE

    on_engine(tmp_path, scenario)


def test_who_is_too_slow_for_memory_still_gets_every_event_once(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        listener = Listener(engine)
        task = asyncio.create_task(listener.follower.run())
        await cursor_after(engine, None)
        expected = await send(engine, room, 1)
        await listener.until(lambda: len(listener.heard) == 1)
        listener.may_go_on.clear()
        expected += await send(engine, room, 1)
        await listener.until(lambda: len(listener.heard) == 2)
        sends = [engine.registry.send(room, message(ALICE, f"{number}")) for number in range(2 * MAX_KEPT)]
        expected += await asyncio.gather(*sends)
        listener.may_go_on.set()
        await listener.until(lambda: len(listener.heard) >= len(expected))
        await stop(task)
        assert listener.ids == expected

    on_engine(tmp_path, scenario)


def test_a_failed_commit_takes_the_cursor_back_with_what_was_written(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        listener = Listener(engine)
        listener.may_go_on.clear()
        task = asyncio.create_task(listener.follower.run())
        await cursor_after(engine, None)
        expected = await send(engine, room, 1)
        await listener.until(lambda: len(listener.heard) == 1)
        broken = engine.break_next_commit()
        listener.may_go_on.set()
        with pytest.raises(CommitFailed):
            await task
        with pytest.raises(MatrixError):
            await broken

        again = Listener(engine)
        task = asyncio.create_task(again.follower.run())
        await again.until(lambda: bool(again.heard))
        await stop(task)
        assert again.ids == expected

    on_engine(tmp_path, scenario)


def test_a_cursor_is_saved_now_and_then_though_nothing_is_written(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        listener = Listener(engine, writes=False)
        task = asyncio.create_task(listener.follower.run())
        start = await cursor_after(engine, None)
        await send(engine, room, 5)
        await listener.until(lambda: len(listener.heard) == 5)
        assert await engine.store.cursors.cursor("listener") == start
        await asyncio.gather(*(engine.registry.send(room, message(ALICE)) for _ in range(UNSAVED)))
        assert await cursor_after(engine, start) >= start + UNSAVED
        await stop(task)

    on_engine(tmp_path, scenario)


def test_a_feed_without_a_cursor_begins_where_it_is_told(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room = await engine.room()
        sent = await send(engine, room, 2)
        await engine.store.journal.submit(Batch([PutCursor("other", 1)]))
        feed = EventFeed(engine.store.journal, engine.store.events)
        async with aclosing(feed.follow(0)) as steps:
            first = await anext(steps)
            assert [followed.event.event_id for followed in first.events][-2:] == sent
            assert first.upto == engine.store.journal.durable
            waiting = asyncio.ensure_future(anext(steps))
            later = await send(engine, room, 1)
            assert [followed.event.event_id for followed in (await waiting).events] == later

    on_engine(tmp_path, scenario)
