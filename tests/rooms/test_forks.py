"""Branches of a room that come together: what is current, what is shown, and what the disk says of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.rooms import placing
from hamrasan.rooms.placing import MAX_EXTREMITIES_OF_SERVER
from hamrasan.rooms.reception import MissingEvents, Outcome
from hamrasan.storage.ports.rooms import OUTSIDE
from tests.rooms.engine import decided, message, state
from tests.rooms.signed_worlds import (
    ALICE,
    CAROL,
    DAN,
    EVE,
    SARA,
    ZARA,
    Receiver,
    ids,
    on_receiver,
    public,
)

VERSIONS = ["3", "6", "10", "11", "12"]


async def _same_after_restart(receiver: Receiver, room_id: str) -> None:
    """Fail unless a server that forgot everything loads just what is in memory."""
    before = decided(await receiver.registry.get(room_id))
    receiver.restart()
    room = await receiver.registry.get(room_id)
    assert decided(room) == before
    await receiver.state(room)
    assert await receiver.problems() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_messages_on_two_branches_cost_nothing_but_their_ids(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public(version, CAROL, DAN)
        room = await receiver.join(world)
        left, right = world.fork(), world.fork()
        one, two = left.says(CAROL, "یک"), right.says(DAN, "دو")
        assert await receiver.add(room, one, two) == [Outcome.ACCEPTED] * 2
        last = tuple(sorted(ids([one, two])))
        assert (room.extremities, room.listed) == (last, True)
        assert await receiver.state(room) == world.state
        rows = receiver.store.database.rows
        assert not rows("SELECT * FROM branch_states WHERE event_id IN (?, ?)", ids([one, two]))
        await _same_after_restart(receiver, room.id)
        room = await receiver.registry.get(room.id)
        event_id = await receiver.registry.send(room, message(SARA))
        pdus = await receiver.federated_events.pdus([event_id])
        assert pdus[event_id]["prev_events"] == list(last)
        assert pdus[event_id]["depth"] == 1 + max(one.depth, two.depth)
        assert (room.extremities, room.listed) == ((event_id,), False)
        assert not rows("SELECT * FROM forward_extremities")
        await _same_after_restart(receiver, room.id)

    on_receiver(tmp_path, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_two_topics_come_together_as_the_algorithm_says(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public(version, CAROL, DAN, levels={CAROL: 50, DAN: 50})
        room = await receiver.join(world)
        left, right = world.fork(), world.fork()
        one, two = left.sets_topic(CAROL, "یک"), right.sets_topic(DAN, "دو")
        name = right.send(DAN, "m.room.name", {"name": "نام"}, "")
        assert await receiver.add(room, one, two, name) == [Outcome.ACCEPTED] * 3
        merged = left.merged(right)
        assert await receiver.state(room) == merged.state
        asked = receiver.federated_events
        assert await asked.state_after(room, one.event_id) == left.state
        assert await asked.state_after(room, name.event_id) == right.state
        assert await asked.state_before(room, name.event_id) == {
            key: event_id for key, event_id in right.state.items() if event_id != name.event_id
        }
        said = merged.says(CAROL, "هر دو")
        assert await receiver.add(room, said) == [Outcome.ACCEPTED]
        assert room.extremities == (said.event_id,)
        assert await asked.state_before(room, said.event_id) == merged.state
        await _same_after_restart(receiver, room.id)

    on_receiver(tmp_path, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_mutual_bans_heal_whichever_comes_first(tmp_path: Path, version: str) -> None:
    world = public(version, CAROL, DAN, EVE, levels={CAROL: 50, EVE: 50, DAN: 0})
    # Two moderators, cut off from each other, ban each other and go on talking.
    started = world.fork()
    joined = started.joins(SARA)
    left, right = started.fork(), started.fork()
    ours = [left.bans(CAROL, DAN), left.says(CAROL, "سه"), left.sets_topic(CAROL, "چهار")]
    theirs = [right.sets_topic(EVE, "پنج"), right.bans(EVE, DAN), right.says(EVE, "شش")]
    merged = left.merged(right)
    found = []

    def run(events: list[list[Event]], name: str) -> None:
        async def scenario(receiver: Receiver) -> None:
            chain = world.chain_of([*world.state_events, joined])
            room = await receiver.reception.seed(world.room_id, version, world.state_events, chain, joined)
            for each in events:
                await receiver.add(room, *each)
            found.append(await receiver.state(room))
            await _same_after_restart(receiver, room.id)

        on_receiver(tmp_path / name, scenario)

    run([list(ours), list(theirs)], "ours")
    run([list(theirs), list(ours)], "theirs")
    assert found == [merged.state, merged.state]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_flip_is_told_with_the_event_that_caused_it(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public(version, CAROL, DAN, levels={CAROL: 50, DAN: 50})
        room = await receiver.join(world)
        before, joined_at = world.fork(), room.head
        demoted = world.sets_power_levels(ALICE, {CAROL: 50} if version == "12" else {ALICE: 100, CAROL: 50})
        await receiver.add(room, demoted)
        # DAN, who did not know yet that he is no moderator any more, banned somebody before.
        banned = before.bans(DAN, ZARA)
        outcomes = await receiver.add(room, banned)
        assert outcomes == [Outcome.SOFT_FAILED]
        assert await receiver.state(room) == world.state
        assert banned.event_id not in await receiver.timeline(room)
        assert room.extremities == (demoted.event_id,)
        # Others took it in before the demotion came, and follow both.
        merged = world.merged(before)
        said = merged.says(CAROL, "هر دو")
        assert await receiver.add(room, said) == [Outcome.ACCEPTED]
        assert await receiver.state(room) == merged.state
        changed = await receiver.store.state.changes(room.number, joined_at, room.head)
        expected = {demoted.event_id}
        if merged.state.get(("m.room.member", ZARA)) == banned.event_id:
            expected.add(banned.event_id)
            stored = await receiver.store.events.by_id(banned.event_id)
            assert stored is not None
            assert stored.flags == OUTSIDE
        assert {stored.event_id for stored in changed} == expected
        assert (await receiver.timeline(room))[-1] == said.event_id
        await _same_after_restart(receiver, room.id)

    on_receiver(tmp_path, scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_membership_that_a_fork_takes_away_and_gives_back(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public(version, CAROL, DAN, levels={CAROL: 50, DAN: 0})
        room = await receiver.join(world)
        left, right = world.fork(), world.fork()
        # On one side the room is closed, on the other ZARA joins and speaks.
        closed = left.sets_join_rule(ALICE, "invite")
        joined = right.joins(ZARA)
        said = right.says(ZARA, "رسیدم")
        await receiver.add(room, joined, said)
        assert room.membership(ZARA) == "join"
        await receiver.add(room, closed)
        merged = left.merged(right)
        assert await receiver.state(room) == merged.state
        await _same_after_restart(receiver, room.id)
        room = await receiver.registry.get(room.id)
        assert (ZARA in room.members) == (("m.room.member", ZARA) in merged.state)
        again = merged.sets_join_rule(ALICE, "public")
        back = merged.joins(ZARA)
        assert await receiver.add(room, again, back) == [Outcome.ACCEPTED] * 2
        assert await receiver.state(room) == merged.state
        await _same_after_restart(receiver, room.id)

    on_receiver(tmp_path, scenario)


def test_local_events_between_are_no_hindrance(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN, levels={CAROL: 50, DAN: 50})
        room = await receiver.join(world)
        left = world.fork()
        events = [left.says(CAROL, "یک"), left.sets_topic(CAROL, "دو"), left.says(CAROL, "سه")]
        await receiver.registry.send(room, message(SARA, "۱"))
        for number, event in enumerate(events):
            assert await receiver.add(room, event) == [Outcome.ACCEPTED]
            if number:
                await receiver.registry.send(room, message(SARA, f"local {number}"))
        assert room.content("m.room.topic") == {"topic": "دو"}
        await _same_after_restart(receiver, room.id)

    on_receiver(tmp_path, scenario)


def test_a_local_change_of_state_while_another_is_judged(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN, levels={CAROL: 50, SARA: 50})
        room = await receiver.join(world)
        left = world.fork()
        theirs = left.sets_topic(CAROL, "یک")
        await receiver.registry.send(room, state("m.room.topic", {"topic": "دو"}, SARA))
        taken = receiver.reception.submit(room, theirs)
        task = asyncio.ensure_future(taken)
        for number in range(5):
            await asyncio.sleep(0)
            decision = receiver.registry.begin(room)
            decision.add(state("m.room.topic", {"topic": f"دو {number}"}, SARA))
            decision.submit()
        outcome, durable = await task
        if durable is not None:
            await durable
        assert outcome is Outcome.ACCEPTED
        assert set(room.extremities) >= {theirs.event_id}
        await _same_after_restart(receiver, room.id)

    on_receiver(tmp_path, scenario)


def test_a_gap_that_cannot_be_filled_is_bridged_by_a_state_that_is_told(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN, levels={CAROL: 50})
        room = await receiver.join(world)
        joined = world.heads[0]
        lost = [world.sets_topic(CAROL, "گم"), world.joins(ZARA), world.says(ZARA, "گم")]
        state_before = world.state_events
        said, then = world.says(CAROL, "پس از آن"), world.says(DAN, "و بعد")
        with pytest.raises(MissingEvents) as missing:
            await receiver.add(room, said)
        assert missing.value.prev == [lost[-1].event_id]
        outcome = await receiver.reception.add(room, said, state_before=state_before)
        assert outcome is Outcome.ACCEPTED
        assert await receiver.state(room) == world.state
        assert await receiver.add(room, then) == [Outcome.ACCEPTED]
        assert await receiver.federated_events.state_before(room, said.event_id) == world.state
        # What was lost comes after all: it has a place, but is no last event any more.
        before = list(room.extremities)
        assert before == [joined, then.event_id]
        assert await receiver.add(room, *lost) == [Outcome.ACCEPTED] * 3
        assert room.extremities == (then.event_id,)
        assert await receiver.state(room) == world.state
        assert await receiver.federated_events.state_after(room, lost[-1].event_id) == world.state
        await _same_after_restart(receiver, room.id)
        again = world.says(CAROL, "تمام")
        room = await receiver.registry.get(room.id)
        assert await receiver.add(room, again) == [Outcome.ACCEPTED]
        assert (room.extremities, room.listed) == ((again.event_id,), False)

    on_receiver(tmp_path, scenario)


def test_what_was_told_of_a_lost_event_is_forgotten_once_it_comes(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN, levels={CAROL: 50})
        room = await receiver.join(world)
        topic = world.sets_topic(CAROL, "موضوع")
        await receiver.add(room, topic)
        lost = world.says(DAN, "گم")
        said = world.says(CAROL, "پس از آن")
        told = [event for event in world.state_events if event is not topic]
        assert await receiver.reception.add(room, said, state_before=told) is Outcome.ACCEPTED
        asked = receiver.federated_events
        without_topic = {key: each for key, each in world.state.items() if each != topic.event_id}
        assert await asked.state_after(room, lost.event_id) == without_topic
        assert await receiver.add(room, lost) == [Outcome.ACCEPTED]
        assert await asked.state_after(room, lost.event_id) == world.state
        assert lost.event_id not in room.awaited
        branch = world.fork()
        branch.heads = [lost.event_id]
        assert await receiver.add(room, branch.says(DAN, "شاخه")) == [Outcome.ACCEPTED]
        await _same_after_restart(receiver, room.id)
        room = await receiver.registry.get(room.id)
        assert await receiver.federated_events.state_after(room, lost.event_id) == world.state

    on_receiver(tmp_path, scenario)


def test_a_told_state_cannot_bring_in_what_the_rules_refuse(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN)
        room = await receiver.join(world)
        forged = world.make(CAROL, "m.room.power_levels", {"users": {CAROL: 100}}, "")
        told = [*(e for e in world.state_events if e.type != "m.room.power_levels"), forged]
        said = world.make(CAROL, "m.room.message", {"body": "!"}, prev_events=["$" + "x" * 43])
        outcome = await receiver.reception.add(room, said, state_before=told)
        assert outcome in (Outcome.REJECTED, Outcome.ACCEPTED)
        assert room.power_levels.of(CAROL) == 0

    on_receiver(tmp_path, scenario)


def test_coming_back_to_a_room_takes_it_as_it_is_told(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, DAN, levels={CAROL: 50})
        room = await receiver.join(world)
        left = receiver.registry
        await left.send(room, message(SARA, "خداحافظ"))
        leaving = await left.send(room, state("m.room.member", {"membership": "leave"}, SARA, SARA))
        pdus = await receiver.federated_events.pdus(await receiver.timeline(room))
        for event_id, pdu in pdus.items():
            if event_id not in world.events:
                world.add(event_from_pdu(pdu, event_id, room.id))
        assert world.heads == [leaving]
        world.sets_topic(CAROL, "بی شما")
        world.bans(CAROL, DAN)
        state_events = world.state_events
        joined = world.joins(SARA)
        chain = world.chain_of([*state_events, joined])
        again = await receiver.reception.seed(room.id, "12", state_events, chain, joined)
        assert again is room
        assert room.extremities == (joined.event_id,)
        assert await receiver.state(room) == world.state
        said = world.says(CAROL, "خوش آمدی")
        assert await receiver.add(room, said) == [Outcome.ACCEPTED]
        await _same_after_restart(receiver, room.id)

    on_receiver(tmp_path, scenario)


def test_a_server_that_makes_fork_after_fork_drops_its_own(tmp_path: Path) -> None:
    async def scenario(receiver: Receiver) -> None:
        world = public("12", CAROL, EVE, levels={CAROL: 50, EVE: 50})
        room = await receiver.join(world)
        other = world.fork()
        kept = other.sets_topic(EVE, "ماندنی")
        await receiver.add(room, kept)
        forks = []
        for number in range(MAX_EXTREMITIES_OF_SERVER * 3):
            fork = world.fork()
            forks.append(fork.send(CAROL, "org.example.slot", {"v": number}, str(number)))
        assert await receiver.add(room, *forks) == [Outcome.ACCEPTED] * len(forks)
        assert len(room.extremities) == MAX_EXTREMITIES_OF_SERVER + 1
        assert kept.event_id in room.extremities
        assert room.content("m.room.topic") == {"topic": "ماندنی"}
        await _same_after_restart(receiver, room.id)
        room = await receiver.registry.get(room.id)
        await receiver.registry.send(room, message(SARA))
        assert not room.listed
        await _same_after_restart(receiver, room.id)

    on_receiver(tmp_path, scenario)


def test_many_servers_together_make_no_more_last_events_than_can_be_brought_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "MAX_EXTREMITIES", 5)

    async def scenario(receiver: Receiver) -> None:
        people = [f"@m:s{number}.example" for number in range(8)]
        world = public("12", *people)
        room = await receiver.join(world)
        said = [world.fork().says(user, "سلام") for user in people]
        assert await receiver.add(room, *said) == [Outcome.ACCEPTED] * 8
        assert set(room.extremities) == set(ids(said[:5]))
        assert (await receiver.timeline(room))[1:] == ids(said)
        await _same_after_restart(receiver, room.id)
        room = await receiver.registry.get(room.id)
        late = world.fork()
        late.heads = [said[7].event_id]
        after = late.says(people[7], "و باز")
        assert await receiver.add(room, after) == [Outcome.ACCEPTED]

    on_receiver(tmp_path, scenario)
