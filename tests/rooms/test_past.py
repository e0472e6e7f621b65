"""What happened in a room before this server came into it, as readers page back."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.protocol.event import Event
from hamrasan.rooms.access import ReadableRoom
from hamrasan.rooms.history import History
from hamrasan.rooms.reception import MissingEvents, Outcome
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline import Timeline
from hamrasan.rooms.tokens import page_token, parse_position
from tests.rooms.signed_worlds import (
    ALICE,
    CAROL,
    DAN,
    SARA,
    Receiver,
    SignedWorld,
    ids,
    on_receiver,
    public,
)


def _sent(world: SignedWorld) -> list[Event]:
    """Return every event of a world without branches, the newest first."""
    return sorted(world.events.values(), key=lambda event: -event.depth)


async def _pages(receiver: Receiver, room: Room, limit: int, *, backwards: bool = True) -> list[str]:
    """Return the ids of all that SARA sees, page by page, each from the token of the one before."""
    store = receiver.store
    history = History(store.state)
    ignored = IgnoredUsers(AccountData(store.journal, store.account_data))
    timeline = Timeline(store.events, store.state, history, ignored)
    readable = ReadableRoom(room, SARA, room.durable_head, True)
    reader: Reader = await timeline.reader(room, SARA, "PHONE")
    found: list[str] = []
    at = None
    while True:
        page = await timeline.page(readable, reader, at, limit, backwards=backwards)
        found += [event.stored.event_id for event in page.events]
        if page.end is None:
            return found
        at = parse_position(page_token(page.end))


@pytest.mark.parametrize("version", ["3", "11", "12"])
def test_history_stands_before_the_join_and_is_paged_through(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public(version, CAROL)
        for number in range(12):
            world.says(CAROL, str(number))
        world.sets_topic(ALICE, "کهنه")
        world.sets_topic(ALICE, "نو")
        sent = _sent(world)
        room = await receiver.join(world)
        missing = receiver.reception.missing_history
        assert await missing(room) == (sent[0].event_id,)
        # A page as /backfill gives it, and the same once more, and one that nothing leads to.
        assert await receiver.reception.add_history(room, sent[6:8]) == 0
        assert await receiver.reception.add_history(room, sent[:5]) == 5
        assert await receiver.reception.add_history(room, sent[:5]) == 0
        assert await missing(room) == (sent[5].event_id,)
        assert await receiver.reception.add_history(room, sent[3:]) == len(sent) - 5
        assert await missing(room) == ()
        everything = [room.extremities[0], *ids(sent)]
        assert await _pages(receiver, room, 4) == everything
        assert await _pages(receiver, room, 3, backwards=False) == everything[::-1]
        assert await receiver.state(room) == world.state
        receiver.restart()
        again = await receiver.registry.get(room.id)
        assert await receiver.state(again) == world.state
        assert await receiver.problems() == []
        assert again.missing == ()
        # No sync ever goes there: what follows begins at zero.
        assert [e.event_id for _, e in await receiver.store.events.following(0, 2**62, 100)] == everything[:1]
        said = world.says(CAROL, "پس از آن")
        assert await receiver.add(again, said) == [Outcome.ACCEPTED]

    on_receiver(tmp_path, scenario)


def test_state_that_came_with_the_join_is_shown_where_it_was_sent(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        topic = world.sets_topic(ALICE, "موضوع")
        world.says(CAROL, "سلام")
        room = await receiver.join(world)
        outside = receiver.store.federated_rooms.outside
        assert topic.event_id in {stored.event_id for stored in await outside(room.number, 0, 100)}
        await receiver.reception.add_history(room, _sent(world)[1:])
        assert await outside(room.number, 0, 100) == []
        stored = await receiver.store.events.by_id(topic.event_id)
        assert stored is not None
        assert (stored.position, stored.flags) == (-2, 0)
        assert room.state["m.room.topic", ""].stored.position == -2
        later = world.sets_topic(ALICE, "دیگر")
        await receiver.add(room, later)
        replacing = await receiver.store.events.by_id(later.event_id)
        assert replacing is not None
        assert replacing.replaces == -2

    on_receiver(tmp_path, scenario)


def test_what_newcomers_may_see_of_the_past_is_what_the_oldest_known_rule_says(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        world.send(ALICE, "m.room.history_visibility", {"history_visibility": "joined"}, "")
        for number in range(3):
            world.says(CAROL, str(number))
        room = await receiver.join(world)
        await receiver.reception.add_history(room, _sent(world)[1:4])
        assert await _pages(receiver, room, 10) == [room.extremities[0]]
        opened = world.send(ALICE, "m.room.history_visibility", {"history_visibility": "shared"}, "")
        await receiver.add(room, opened)
        assert await _pages(receiver, room, 10) == [opened.event_id, *ids(_sent(world)[1:2])]

    on_receiver(tmp_path, scenario)


def test_history_with_unknown_auth_events_waits_for_them(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN)
        said = [world.says(DAN, "یک"), world.says(CAROL, "دو")][::-1]
        state = [
            event for event in world.state_events if event.state_key != DAN
        ]  # whoever told it left DAN out
        joined = world.joins(SARA)
        chain = world.chain_of([*state, joined])
        room = await receiver.reception.seed(world.room_id, "12", state, chain, joined)
        with pytest.raises(MissingEvents) as missing:
            await receiver.reception.add_history(room, said)
        needed = [world.events[event_id] for event_id in missing.value.auth]
        assert [event.state_key for event in needed] == [DAN]
        assert await _pages(receiver, room, 10) == [joined.event_id]
        await receiver.reception.add_outliers(room, needed)
        assert await receiver.reception.add_history(room, said) == 2
        assert await _pages(receiver, room, 10) == [joined.event_id, *ids(said)]

    on_receiver(tmp_path, scenario)


def test_history_whose_auth_events_nobody_has_is_left_out_if_asked_for(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN)
        said = [world.says(CAROL, "صفر"), world.says(DAN, "یک"), world.says(CAROL, "دو")][::-1]
        state = [event for event in world.state_events if event.state_key != DAN]
        joined = world.joins(SARA)
        chain = world.chain_of([*state, joined])
        room = await receiver.reception.seed(world.room_id, "12", state, chain, joined)
        assert await receiver.reception.add_history(room, said, lenient=True) == 2
        assert await _pages(receiver, room, 10) == [joined.event_id, *ids(said[::2])]

    on_receiver(tmp_path, scenario)


def test_history_that_the_rules_refuse_is_left_out(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        first = world.says(CAROL, "یک")
        forged = world.add(world.make(CAROL, "m.room.topic", {"topic": "دروغ"}, ""))
        del world.state["m.room.topic", ""]
        last = world.says(CAROL, "سه")
        room = await receiver.join(world)
        assert await receiver.reception.add_history(room, [last, forged, first]) == 2
        assert await _pages(receiver, room, 10) == [room.extremities[0], last.event_id, first.event_id]
        assert await receiver.state(room) == world.state

    on_receiver(tmp_path, scenario)


def test_a_redaction_in_the_past_takes_away_what_lies_before_it(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL)
        said = world.says(CAROL, "پنهان")
        other = world.says(CAROL, "نیز")
        world.send(CAROL, "m.room.redaction", {"redacts": said.event_id})
        room = await receiver.join(world)
        late = world.send(ALICE, "m.room.redaction", {"redacts": other.event_id})
        assert await receiver.add(room, late) == [Outcome.ACCEPTED]
        sent = _sent(world)
        await receiver.reception.add_history(room, sent[2:3])
        await receiver.reception.add_history(room, sent[3:6])
        for event in (said, other):
            stored = await receiver.store.events.by_id(event.event_id)
            assert stored is not None
            assert stored.content == b"{}"
        assert not room.pending_redactions
        assert not receiver.store.database.rows("SELECT * FROM pending_redactions")

    on_receiver(tmp_path, scenario)
