"""Paging, whatever happened in a room: nothing hidden, nothing lost, nothing twice, and always an end."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.protocol.filters import RoomEventFilter, parse_room_event_filter
from hamrasan.rooms import timeline as timeline_module
from hamrasan.rooms.access import ReadableRoom
from hamrasan.rooms.history import History
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline import EVERYTHING, Timeline
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent
from tests.rooms.engine import ALICE, BOB, Engine, membership, message, on_engine, state

STEPS = st.lists(
    st.sampled_from(
        [
            "say",
            "say",
            "sticker",
            "elsewhere",
            "join",
            "leave",
            "shared",
            "joined",
            "invited",
            "world_readable",
        ]
    ),
    max_size=25,
)
MAX_PAGES = 200


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every page hit the limits of scanning."""
    monkeypatch.setattr(timeline_module, "MAX_SCANNED", 5)
    monkeypatch.setattr(timeline_module, "CHUNK", 3)


class Past:
    """A room in which `steps` happened, and Bob, who reads it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        store = engine.store
        self.history = History(store.state)
        ignored = IgnoredUsers(AccountData(store.journal, store.account_data))
        self.timeline = Timeline(store.events, store.state, self.history, ignored)

    async def live(self, steps: list[str]) -> None:
        registry = self.engine.registry
        self.room: Room = await self.engine.room()
        other = await self.engine.room()
        for step in steps:
            if step == "say":
                await registry.send(self.room, message(ALICE))
            elif step == "sticker":
                await registry.send(self.room, message(ALICE, url="mxc://example.org/sticker"))
            elif step == "elsewhere":
                await registry.send(other, message(ALICE))
            elif step in ("join", "leave"):
                if (self.room.membership(BOB) == "join") != (step == "join"):
                    await registry.send(self.room, membership(BOB, step))
            else:
                await registry.send(
                    self.room, state("m.room.history_visibility", {"history_visibility": step})
                )
        self.reader = await self.timeline.reader(self.room, BOB, "PHONE")
        self.readable = ReadableRoom(self.room, BOB, self.room.durable_head, True)

    async def expected(self, wanted: RoomEventFilter) -> list[StoredEvent]:
        """Return what there is to see, told event by event."""
        events = await self.engine.store.events.page(self.room.number, 0, 2**62, 1_000, backwards=False)
        rule = await self.history.timeline(self.room, BOB)
        return [
            stored
            for stored in events
            if rule.can_see(stored.position) and (wanted is EVERYTHING or b'"url"' in stored.content)
        ]

    async def paged(self, limit: int, wanted: RoomEventFilter, **how: Any) -> list[StoredEvent]:
        """Return what paging to the end gives."""
        found: list[StoredEvent] = []
        start: Position | None = None
        for _ in range(MAX_PAGES):
            page = await self.timeline.page(self.readable, self.reader, start, limit, wanted, **how)
            assert len(page.events) <= limit
            found += [event.stored for event in page.events]
            if page.end is None:
                return found
            assert page.end != start, "a page makes progress"
            start = page.end
        raise AssertionError("the paging does not end")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    STEPS, st.integers(1, 7), st.sampled_from([EVERYTHING, parse_room_event_filter({"contains_url": True})])
)
def test_pages_are_what_can_be_seen(steps: list[str], limit: int, wanted: RoomEventFilter) -> None:
    async def scenario(engine: Engine) -> None:
        past = Past(engine)
        await past.live(steps)
        expected = await past.expected(wanted)
        assert await past.paged(limit, wanted, backwards=False) == expected
        assert await past.paged(limit, wanted, backwards=True) == expected[::-1]
        middle = past.room.durable_head // 2
        before = [stored for stored in expected if stored.position <= middle]
        after = [stored for stored in expected if stored.position > middle]
        assert await past.paged(limit, wanted, backwards=False, stop=middle) == before
        assert await past.paged(limit, wanted, backwards=True, stop=middle) == after[::-1]

    with tempfile.TemporaryDirectory() as folder:
        on_engine(Path(folder), scenario)


def test_an_answer_without_wanted_events_still_leads_on(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        past = Past(engine)
        await past.live(["join", *["say"] * 20])
        wanted = parse_room_event_filter({"contains_url": True})
        page = await past.timeline.page(past.readable, past.reader, None, 10, wanted, backwards=True)
        assert page.events == []
        assert page.end is not None
        assert page.end < past.room.durable_head

    on_engine(tmp_path, scenario)


def test_a_filter_that_nothing_passes_reads_nothing(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        past = Past(engine)
        await past.live(["join", *["say"] * 20])
        nothing = parse_room_event_filter({"types": []})
        page = await past.timeline.page(past.readable, past.reader, None, 10, nothing, backwards=True)
        assert (page.events, page.end) == ([], None)

    on_engine(tmp_path, scenario)


def test_who_sees_everything_is_known_without_looking_at_events(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        past = Past(engine)
        await past.live(["shared", "join", "say"])
        assert past.reader == Reader(BOB, "PHONE", None, frozenset())
        await past.live(["joined", "join", "say"])
        assert past.reader.sees is not None

    on_engine(tmp_path, scenario)
