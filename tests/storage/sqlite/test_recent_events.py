"""Events are found alike before, while and after they move from `recent_events` to `events`."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import RedactEvent, StoredEvent
from hamrasan.storage.sqlite.inspection import Inspection
from hamrasan.storage.sqlite.recent_events import MAX_MOVED, MIN_MOVED
from hamrasan.storage.sqlite.store import DATABASE_FILE, Store, open_store
from tests.stores import on_store

ROOMS = (1, 2)
FILLER = 3
"""A room whose events only bring a move about."""
KINDS = ("message", "state", "relation")
FAR = 2**62


def an_event(position: int, room: int, kind: str = "message") -> StoredEvent:
    """Return an event of a kind; clocks of the senders are not in order."""
    return StoredEvent(
        position=position,
        room=room,
        event_id=f"$event{position}",
        type="m.room.message",
        state_key=f"key{position}" if kind == "state" else None,
        sender="@alice:example.org",
        origin_server_ts=position * 1000 + (position * 7919) % 5 * 900,
        depth=position,
        content=b"{}",
        envelope=b"{}",
        replaces=0,
        flags=0,
        relates_to="$event1" if kind == "relation" else None,
        rel_type="m.reference" if kind == "relation" else None,
        txn_device=None,
        txn_id=None,
    )


async def add(store: Store, events: list[tuple[int, str]]) -> list[StoredEvent]:
    """Commit events, given by room and kind, in one batch."""
    start = store.journal.next_position
    stored = [an_event(start + index, room, kind) for index, (room, kind) in enumerate(events)]
    await store.journal.submit(Batch(list(stored), positions=len(stored)))
    return stored


async def add_until_moved(store: Store, data_dir: Path) -> None:
    """Commit events of another room until all of them have moved."""
    await add(store, [(FILLER, "message")] * MIN_MOVED)
    with closing(sqlite3.connect(data_dir / DATABASE_FILE)) as connection:
        while connection.execute("SELECT count(*) FROM recent_events").fetchone()[0]:
            await store.journal.submit(Batch())


async def check_reads(store: Store, events: list[StoredEvent]) -> None:
    """Compare what the store finds with what is found in a list."""
    for event in events:
        assert await store.events.by_id(event.event_id) == event
    assert await store.events.by_ids([event.event_id for event in reversed(events)]) == events
    assert await store.events.by_positions([event.position for event in events]) == events
    for room in ROOMS:
        here = [event for event in events if event.room == room]
        assert await store.events.head(room) == (here[-1].position if here else 0)
        bounds = [0, FAR, *(event.position for event in here[:: max(1, len(here) // 4)])]
        for after in bounds:
            for upto in bounds:
                between = [event for event in here if after < event.position <= upto]
                for limit in (1, 3, 1_000):
                    page = await store.events.page(room, after, upto, limit, backwards=False)
                    assert page == between[:limit]
                    page = await store.events.page(room, after, upto, limit, backwards=True)
                    assert page == between[::-1][:limit]
        for ts in (0, *(event.origin_server_ts for event in here[::3]), FAR):
            later = [event for event in here if event.origin_server_ts >= ts]
            nearest = min(later, key=lambda event: (event.origin_server_ts, event.position), default=None)
            assert await store.events.nearest(room, ts, backwards=False) == nearest


_BATCHES = st.lists(st.tuples(st.sampled_from(ROOMS), st.sampled_from(KINDS)), min_size=1, max_size=12)


@given(steps=st.lists(st.one_of(_BATCHES, st.sampled_from(["move", "redact", "restart"])), max_size=8))
@settings(max_examples=25)
def test_events_are_found_wherever_they_are(steps: list[list[tuple[int, str]] | str]) -> None:
    async def scenario(data_dir: Path) -> None:
        store = open_store(data_dir)
        events: list[StoredEvent] = []
        for step in steps:
            if step == "move":
                await add_until_moved(store, data_dir)
            elif step == "restart":
                await store.close()
                store = open_store(data_dir)
            elif step == "redact" and events:
                index = len(events) // 2
                events[index] = events[index]._replace(content=b'{"x":1}', redacted_by="$r")
                write = RedactEvent(b'{"x":1}', "$r", events[index].position)
                await store.journal.submit(Batch([write]))
            elif isinstance(step, list):
                events += await add(store, step)
            await check_reads(store, events)
        await store.close()
        inspection = Inspection(data_dir)
        assert await inspection.events.by_ids([event.event_id for event in events]) == events
        assert (inspection.damages(), inspection.misplaced()) == ([], [])
        inspection.close()

    with TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))


def test_events_are_found_while_they_move(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        events = await add(store, [(1, "message")] * 50)
        for _ in range(40):
            events += await add(store, [(1, "message"), (1, "state")] * 30)
            for event in events[-80::9]:
                assert await store.events.by_id(event.event_id) == event
            assert await store.events.page(1, 0, FAR, 200, backwards=True) == events[::-1][:200]

    on_store(tmp_path, scenario)
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE)) as connection:
        assert connection.execute("SELECT count(*) FROM events WHERE state_key IS NULL").fetchone()[0] > 0


def test_a_move_that_fails_is_tried_again_and_nothing_is_lost(tmp_path: Path) -> None:
    def execute(sql: str) -> None:
        with closing(sqlite3.connect(tmp_path / DATABASE_FILE, timeout=30)) as connection, connection:
            connection.execute(sql)

    async def scenario(store: Store) -> None:
        events = await add(store, [(1, "message")] * 10)
        execute("INSERT INTO events SELECT * FROM recent_events WHERE position = 5")
        events += await add(store, [(1, "message")] * MAX_MOVED)
        events += await add(store, [(1, "message")] * 10)
        assert await store.events.page(1, 0, 20, 50, backwards=False) == events[:20]
        assert await store.events.by_id(events[0].event_id) == events[0]
        execute("DELETE FROM events")
        await add_until_moved(store, tmp_path)
        assert await store.events.page(1, 0, FAR, len(events), backwards=False) == events

    on_store(tmp_path, scenario)
