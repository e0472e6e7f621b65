"""What every store must do with events, state, memberships, aliases and the directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.relations import ThreadRow, ThreadSender
from hamrasan.storage.ports.rooms import (
    MENTIONS_SOMEONE,
    NOTIFIES,
    ForgetRoom,
    MembershipRow,
    NewReport,
    NewRoom,
    PutMembership,
    RedactEvent,
    RoomRow,
    StateVersion,
    StoredEvent,
    ThreadActivity,
)
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario, on_store

ALICE, BOB, CAROL = "@alice:example.org", "@bob:example.org", "@carol:example.org"
ROOM, OTHER = 1, 2
START_TS = 1_700_000_000_000
FAR: Position = 2**62


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Return what runs a scenario on a store with two empty rooms."""

    def runner(scenario: Scenario) -> None:
        async def with_rooms(store: Store) -> None:
            rooms = [NewRoom(number, f"!{number}", "12", ALICE, 0) for number in (ROOM, OTHER)]
            await store.journal.submit(Batch(list(rooms)))
            await scenario(store)

        on_store(tmp_path, with_rooms)

    return runner


async def put(store: Store, *writes: Write) -> None:
    """Commit writes that take no position."""
    await store.journal.submit(Batch(list(writes)))


def event(position: Position, event_id: str = "", room: int = ROOM, **fields: Any) -> StoredEvent:
    """Return a message by Alice that nothing is special about but `fields`; its time grows with its position."""
    plain = StoredEvent(
        position=position,
        room=room,
        event_id=event_id or f"$e{position}",
        type="m.room.message",
        state_key=None,
        sender=ALICE,
        origin_server_ts=START_TS + position * 1000,
        depth=position,
        content=b'{"body":"hello"}',
        envelope=b'{"auth_events":[],"prev_events":[]}',
        replaces=0,
        flags=0,
        relates_to=None,
        rel_type=None,
        txn_device=None,
        txn_id=None,
    )
    return plain._replace(**fields)


async def add(store: Store, **fields: Any) -> StoredEvent:
    """Add one event, as the state under its key if it has a state key, and return it."""
    stored = event(store.journal.next_position, **fields)
    writes: list[Write] = [stored]
    if stored.state_key is not None:
        writes.append(
            StateVersion(stored.room, stored.type, stored.state_key, stored.position, stored.position)
        )
    if stored.rel_type == "m.thread" and stored.relates_to is not None:
        writes.append(ThreadActivity(stored.room, stored.relates_to, stored.position))
    await store.journal.submit(Batch(writes, positions=1))
    return stored


def ids(events: Sequence[StoredEvent]) -> list[str]:
    return [stored.event_id for stored in events]


# Events


def test_an_event_comes_back_as_it_was_written(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        plain = await add(store)
        full = await add(
            store,
            event_id="$full",
            type="m.room.member",
            state_key=BOB,
            replaces=1,
            flags=9,
            relates_to="$x",
            rel_type="m.reference",
            txn_device="PHONE",
            txn_id="t1",
            content='{"body":"سلام"}'.encode(),
        )
        assert await store.events.by_id(plain.event_id) == plain
        assert await store.events.by_id("$full") == full
        assert await store.events.by_id("$missing") is None

    run(scenario)


def test_events_by_ids_and_positions_come_in_order_without_those_that_are_missing(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario(store: Store) -> None:
        first, second, third = [await add(store) for _ in range(3)]
        wanted = [third.event_id, "$missing", first.event_id]
        assert await store.events.by_ids(wanted) == [first, third]
        assert await store.events.by_positions([second.position, 99, first.position]) == [first, second]
        assert await store.events.by_ids([]) == []
        assert await store.events.by_positions([]) == []

    run(scenario)


def test_very_many_events_are_found_at_once(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        start = store.journal.next_position
        events = [event(start + number) for number in range(1_100)]
        await store.journal.submit(Batch(list(events), positions=len(events)))
        assert await store.events.by_ids([stored.event_id for stored in reversed(events)]) == events
        assert await store.events.by_positions([stored.position for stored in reversed(events)]) == events

    run(scenario)


def test_a_page_lies_after_and_up_to_a_position_in_its_room(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        events = [await add(store, room=ROOM if number % 2 else OTHER) for number in range(10)]
        mine = [stored for stored in events if stored.room == ROOM]
        page = store.events.page
        assert await page(ROOM, 0, FAR, 10, backwards=False) == mine
        assert await page(ROOM, 0, FAR, 10, backwards=True) == mine[::-1]
        assert await page(ROOM, 0, FAR, 2, backwards=False) == mine[:2]
        assert await page(ROOM, 0, FAR, 2, backwards=True) == mine[:-3:-1]
        assert await page(ROOM, mine[0].position, mine[3].position, 10, backwards=False) == mine[1:4]
        assert await page(ROOM, mine[4].position, FAR, 10, backwards=False) == []
        assert await store.events.head(ROOM) == mine[-1].position
        assert await store.events.head(77) == 0

    run(scenario)


def test_events_are_found_by_the_request_that_made_them(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        old = await add(store, txn_device="PHONE", txn_id="t0")
        here = await add(store, txn_device="PHONE", txn_id="t1")
        there = await add(store, room=OTHER, txn_device="PHONE", txn_id="t1")
        related = await add(
            store, txn_device="LAPTOP", txn_id="t1", relates_to=old.event_id, rel_type="m.reference"
        )
        last = await add(store)
        upto, events = last.position, store.events
        assert await events.made_by(ROOM, upto, ALICE, "PHONE", "t1") == here.event_id
        assert await events.made_by(OTHER, upto, ALICE, "PHONE", "t1") == there.event_id
        assert await events.made_by(ROOM, upto, ALICE, "LAPTOP", "t1") == related.event_id
        assert await events.made_by(ROOM, here.position - 1, ALICE, "PHONE", "t1") is None
        assert await events.made_by(ROOM, upto, BOB, "PHONE", "t1") is None
        assert await events.made_by(ROOM, upto, ALICE, "PHONE", "t2") is None
        made = [(ALICE, "PHONE", "t0"), (ALICE, "PHONE", "t1"), (ALICE, "LAPTOP", "t1")]
        assert await events.transactions(ROOM, upto, 10) == made
        assert await events.transactions(ROOM, upto, 3) == made[1:]
        assert await events.transactions(ROOM, here.position, 10) == made[:2]
        assert await events.transactions(77, upto, 10) == []

    run(scenario)


def test_what_an_unread_count_needs_is_found(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        before = await add(store, flags=NOTIFIES)
        plain = [await add(store, flags=NOTIFIES) for _ in range(3)]
        mention = await add(store, flags=NOTIFIES | MENTIONS_SOMEONE)
        silent = await add(store, sender=CAROL, flags=0)
        related = {"relates_to": plain[0].event_id, "rel_type": "m.reference"}
        reply = await add(store, flags=NOTIFIES, **related)
        reaction = await add(store, sender=BOB, flags=0, **related)
        await add(store, sender=ALICE, flags=0, **related)
        own = await add(store, sender=BOB, flags=NOTIFIES)
        state = await add(store, state_key="", flags=NOTIFIES)
        await add(store, room=OTHER, flags=NOTIFIES)
        redacted = await add(store, flags=NOTIFIES)
        await put(store, RedactEvent(b"{}", "$redaction", redacted.position))
        after, upto, events = before.position, redacted.position, store.events
        found = await events.notable(ROOM, after, upto, BOB)
        assert (found.own, list(found.events)) == (own.position, [mention, reply, reaction])
        assert (await events.notable(ROOM, own.position, upto, BOB)) == (0, [])
        assert await events.count_plain(ROOM, after, upto, {BOB}) == len([*plain, state])
        assert await events.count_plain(ROOM, after, upto, {BOB, ALICE}) == 0
        assert await events.count_plain(ROOM, plain[0].position, plain[1].position, set()) == 1
        assert await events.latest(ROOM, silent.position, 2) == plain[2].position
        assert await events.latest(ROOM, silent.position, 6) == 0

    run(scenario)


def test_a_redaction_changes_content_and_nothing_else(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        target = await add(store)
        other = await add(store)
        await put(store, RedactEvent(b"{}", "$redaction", target.position))
        expected = target._replace(content=b"{}", redacted_by="$redaction")
        assert await store.events.by_id(target.event_id) == expected
        assert await store.events.by_id(other.event_id) == other

    run(scenario)


def test_an_event_can_be_redacted_in_the_batch_that_adds_it(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        position = store.journal.next_position
        target, redaction = event(position), event(position + 1, type="m.room.redaction")
        writes: list[Write] = [target, RedactEvent(b"{}", redaction.event_id, position), redaction]
        await store.journal.submit(Batch(writes, positions=2))
        found = await store.events.by_id(target.event_id)
        assert found is not None
        assert (found.content, found.redacted_by) == (b"{}", redaction.event_id)

    run(scenario)


@pytest.mark.parametrize(
    ("offset", "backwards", "expected"),
    [
        (0, False, 1),
        (1_000, False, 1),
        (1_001, False, 2),
        (1_999, True, 1),
        (2_000, True, 2),
        (999, True, None),
        (5_000, False, 5),
        (5_001, False, None),
        (9_000, True, 5),
    ],
)
def test_the_nearest_event_on_the_asked_side(
    run: Callable[[Scenario], None], offset: int, backwards: bool, expected: int | None
) -> None:
    async def scenario(store: Store) -> None:
        for _ in range(5):
            await add(store)
        await add(store, room=OTHER)
        found = await store.events.nearest(ROOM, START_TS + offset, backwards=backwards)
        assert (None if found is None else found.position) == expected
        assert await store.events.nearest(77, START_TS, backwards=backwards) is None

    run(scenario)


def test_the_nearest_event_where_a_clock_was_wrong(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await add(store)
        early = await add(store, origin_server_ts=START_TS + 500)
        await add(store)
        found = await store.events.nearest(ROOM, START_TS + 600, backwards=True)
        assert found == early

    run(scenario)


# Relations


async def add_child(store: Store, parent: str, rel_type: str, **fields: Any) -> StoredEvent:
    return await add(store, relates_to=parent, rel_type=rel_type, **fields)


def test_relations_by_kind_and_type_and_place(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        root = (await add(store)).event_id
        reply = await add_child(store, root, "m.thread")
        reaction = await add_child(store, root, "m.annotation", type="m.reaction")
        sticker = await add_child(store, root, "m.thread", type="m.sticker")
        await add_child(store, "$other", "m.thread")
        relations = store.relations.relations
        assert await relations(root, None, None, 0, FAR, 9, backwards=False) == [reply, reaction, sticker]
        assert await relations(root, None, None, 0, FAR, 9, backwards=True) == [sticker, reaction, reply]
        assert await relations(root, "m.thread", None, 0, FAR, 9, backwards=False) == [reply, sticker]
        assert await relations(root, "m.thread", "m.sticker", 0, FAR, 9, backwards=False) == [sticker]
        assert await relations(root, None, None, 0, FAR, 1, backwards=True) == [sticker]
        assert await relations(root, None, None, reply.position, reaction.position, 9, backwards=True) == [
            reaction
        ]

    run(scenario)


def test_redacted_events_relate_to_nothing(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        root = (await add(store)).event_id
        reply = await add_child(store, root, "m.thread")
        below = await add_child(store, reply.event_id, "m.annotation")
        await put(store, RedactEvent(b"{}", "$redaction", reply.position))
        for levels in (1, 3):
            found = await store.relations.relations(
                root, None, None, 0, FAR, 9, backwards=True, levels=levels
            )
            assert found == [], "nor is anything found through them"
        found = await store.relations.relations(reply.event_id, None, None, 0, FAR, 9, backwards=True)
        assert found == [below], "but what relates to them does still"
        assert await store.relations.thread(root) == []

    run(scenario)


def test_relations_over_several_levels(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        chain = [await add(store)]
        for number in range(4):
            chain.append(await add_child(store, chain[-1].event_id, "m.thread" if number else "m.reference"))
        root = chain[0].event_id
        relations = store.relations.relations
        for levels in (1, 2, 3):
            found = await relations(root, None, None, 0, FAR, 9, backwards=False, levels=levels)
            assert found == chain[1 : 1 + levels]
        found = await relations(root, "m.thread", None, 0, FAR, 9, backwards=True, levels=3)
        assert found == chain[3:1:-1], "what is asked for is chosen, not what is followed"
        middle = chain[2].position
        assert await relations(root, None, None, middle, FAR, 9, backwards=False, levels=3) == [chain[3]]
        assert await relations(root, None, None, 0, FAR, 2, backwards=False, levels=3) == chain[1:3]

    run(scenario)


def test_an_event_that_is_reached_twice_comes_once(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        # Two events that name each other, which a hostile server cannot make, but a broken one might.
        first = await add_child(store, "$second", "m.reference", event_id="$first")
        second = await add_child(store, "$first", "m.reference", event_id="$second")
        found = await store.relations.relations("$first", None, None, 0, FAR, 9, backwards=False, levels=5)
        assert found == [first, second]

    run(scenario)


def test_kinds_of_relations(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        for parent, kind in (("$a", "m.thread"), ("$a", "m.thread"), ("$a", "m.replace"), ("$b", "m.thread")):
            await add_child(store, parent, kind)
        kinds = store.relations.related_kinds
        every = ("m.thread", "m.replace", "m.reference")
        assert await kinds(["$a", "$c"], every) == {("$a", "m.thread"), ("$a", "m.replace")}
        assert await kinds(["$a", "$b"], ["m.thread"]) == {("$a", "m.thread"), ("$b", "m.thread")}
        assert await kinds([], every) == set()

    run(scenario)


def test_annotations_of_one_sender(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        mine = await add_child(store, "$a", "m.annotation")
        await add_child(store, "$a", "m.annotation", sender=BOB)
        await add_child(store, "$a", "m.reference")
        await add_child(store, "$b", "m.annotation")
        taken_back = await add_child(store, "$a", "m.annotation")
        await put(store, RedactEvent(b"{}", "$redaction", taken_back.position))
        assert await store.relations.annotations("$a", ALICE) == [mine]

    run(scenario)


def test_who_replied_in_a_thread(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await add_child(store, "$root", "m.thread")
        bobs = await add_child(store, "$root", "m.thread", sender=BOB)
        last = await add_child(store, "$root", "m.thread")
        await add_child(store, "$root", "m.annotation", sender=CAROL)
        foreign = await add_child(store, "$root", "m.thread", room=OTHER)
        assert sorted(await store.relations.thread("$root")) == [
            ThreadSender(ROOM, ALICE, 2, last.position),
            ThreadSender(ROOM, BOB, 1, bobs.position),
            ThreadSender(OTHER, ALICE, 1, foreign.position),
        ]
        assert await store.relations.thread("$other") == []

    run(scenario)


def test_threads_in_the_order_of_their_latest_reply(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await add_child(store, "$a", "m.thread")
        second = await add_child(store, "$b", "m.thread")
        third = await add_child(store, "$a", "m.thread")
        await add_child(store, "$c", "m.thread", room=OTHER)
        rows = [ThreadRow("$a", third.position, 2), ThreadRow("$b", second.position, 1)]
        assert await store.relations.threads(ROOM, FAR, 9) == rows
        assert await store.relations.threads(ROOM, FAR, 1) == rows[:1]
        assert await store.relations.threads(ROOM, third.position, 9) == rows[1:]

    run(scenario)


# State


def test_state_now_and_at_every_position(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        create = await add(store, type="m.room.create", state_key="")
        alice = await add(store, type="m.room.member", state_key=ALICE)
        name = await add(store, type="m.room.name", state_key="")
        message = await add(store)
        renamed = await add(store, type="m.room.name", state_key="", replaces=name.position)
        bob = await add(store, type="m.room.member", state_key=BOB)
        await add(store, type="m.room.name", state_key="", room=OTHER)
        at = store.state.at

        assert await at(ROOM, FAR) == [create, alice, renamed, bob]
        assert await at(ROOM, message.position) == [create, alice, name]
        assert await at(ROOM, name.position) == [create, alice, name], "a position includes its own event"
        assert await at(ROOM, name.position - 1) == [create, alice]
        assert await at(ROOM, 0) == []
        assert await at(ROOM, FAR, members=False) == [create, renamed]
        assert await at(ROOM, message.position, members=False) == [create, name]
        assert await store.state.current(ROOM) == [create, renamed]
        assert await store.state.members_at(ROOM, FAR) == [alice, bob]
        assert await store.state.members_at(ROOM, message.position) == [alice]

        keys = [("m.room.name", ""), ("m.room.member", BOB), ("m.room.topic", "")]
        assert await at(ROOM, FAR, keys) == [renamed, bob]
        assert await at(ROOM, message.position, keys) == [name]
        assert await at(ROOM, FAR, []) == []

    run(scenario)


def test_versions_and_changes_of_state(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        names = [await add(store, type="m.room.name", state_key="") for _ in range(3)]
        topic = await add(store, type="m.room.topic", state_key="")
        keyed = await add(store, type="m.room.name", state_key="other key")
        await add(store)
        assert await store.state.versions(ROOM, "m.room.name", "") == names
        assert await store.state.versions(ROOM, "m.room.avatar", "") == []
        changes = store.state.changes
        assert await changes(ROOM, 0, FAR) == [names[2], topic, keyed]
        assert await changes(ROOM, names[0].position, names[1].position) == [names[1]]
        assert await changes(ROOM, keyed.position, FAR) == []
        has_changed = store.state.has_changed
        assert await has_changed(ROOM, topic.position, keyed.position)
        assert not await has_changed(ROOM, keyed.position, FAR)
        assert not await has_changed(ROOM + 1, 0, FAR)

    run(scenario)


def test_the_state_may_go_back_to_an_older_event(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        first = await add(store, type="m.room.name", state_key="")
        second = await add(store, type="m.room.name", state_key="")
        position = store.journal.next_position
        back = StateVersion(ROOM, "m.room.name", "", position, first.position)
        await store.journal.submit(Batch([event(position), back], positions=1))
        assert await store.state.current(ROOM) == [first]
        assert await store.state.at(ROOM, second.position) == [second]
        assert await store.state.at(ROOM, FAR, [("m.room.name", "")]) == [first]

    run(scenario)


# Rooms and memberships


def test_rooms(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        first, second = RoomRow(1, "!1", "12", ALICE), RoomRow(2, "!2", "12", ALICE)
        assert sorted(await store.rooms.rooms(["!2", "!missing", "!1"])) == [first, second]
        assert await store.rooms.rooms([]) == []
        assert await store.rooms.last_room() == 2
        assert await store.rooms.page(0, 9) == [first, second]
        assert await store.rooms.page(0, 1) == [first]
        assert await store.rooms.page(1, 9) == [second]

    run(scenario)


def test_there_is_no_last_room_at_first(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        assert await store.rooms.last_room() == 0

    on_store(tmp_path, scenario)


def row_of(put: PutMembership, *, forgotten: bool = False) -> MembershipRow:
    return MembershipRow(
        put.room,
        f"!{put.room}",
        put.user_id,
        put.membership,
        put.position,
        put.event_id,
        put.sender,
        forgotten,
    )


def test_memberships_by_room_and_by_user(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        alice = PutMembership(ROOM, ALICE, "join", 1, "$1", ALICE)
        bob = PutMembership(ROOM, BOB, "invite", 2, "$2", ALICE)
        elsewhere = PutMembership(OTHER, BOB, "join", 3, "$3", BOB)
        await put(store, alice, bob, elsewhere)
        assert sorted(await store.rooms.members(ROOM)) == [row_of(alice), row_of(bob)]
        assert sorted(await store.rooms.memberships(BOB)) == [row_of(bob), row_of(elsewhere)]
        assert await store.rooms.memberships(CAROL) == []

        joined = PutMembership(ROOM, BOB, "join", 4, "$4", BOB)
        await put(store, joined)
        assert sorted(await store.rooms.members(ROOM)) == [row_of(alice), row_of(joined)]

    run(scenario)


def test_a_room_is_forgotten_until_the_membership_changes(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        left = PutMembership(ROOM, BOB, "leave", 1, "$1", BOB)
        other = PutMembership(ROOM, ALICE, "leave", 2, "$2", ALICE)
        await put(store, left, other)
        await put(store, ForgetRoom(3, ROOM, BOB))
        assert await store.rooms.memberships(BOB) == [row_of(left, forgotten=True)]
        assert await store.rooms.memberships(ALICE) == [row_of(other)]
        invited = PutMembership(ROOM, BOB, "invite", 4, "$4", ALICE)
        await put(store, invited)
        assert await store.rooms.memberships(BOB) == [row_of(invited)]

    run(scenario)


# Aliases, the directory, reports


def test_members_come_in_the_order_of_their_first_membership(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await put(store, PutMembership(ROOM, CAROL, "join", 1, "$1", CAROL, 1))
        await put(store, PutMembership(ROOM, ALICE, "invite", 2, "$2", CAROL, 2))
        await put(store, PutMembership(ROOM, CAROL, "leave", 3, "$3", CAROL, 3))
        await put(store, PutMembership(ROOM, BOB, "join", 4, "$4", BOB, 4))
        members = await store.rooms.members(ROOM)
        assert [(row.user_id, row.membership) for row in members] == [
            (CAROL, "leave"),
            (ALICE, "invite"),
            (BOB, "join"),
        ]

    run(scenario)


def test_reports_are_kept(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await put(store, NewReport(5, ALICE, "!1", "$e", BOB, "spam", -100))
        await put(store, NewReport(6, ALICE, None, None, BOB, "", None))
        rows = store.database.rows(
            "SELECT created_ts, reporter, room_id, event_id, user_id, reason, score FROM reports ORDER BY report"
        )
        assert rows == [(5, ALICE, "!1", "$e", BOB, "spam", -100), (6, ALICE, None, None, BOB, "", None)]

    run(scenario)
