"""States that other servers tell, made up so that a room's own state is lost: what room version 12 was made against.

The two shapes are those of the proposal for its algorithm (MSC4297). Before it, a room falls for them; what this server
does then is what the algorithm of that version says, like every other server.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hamrasan.protocol.event import Event
from hamrasan.rooms.reception import Outcome
from hamrasan.rooms.room import Room
from tests.rooms.signed_worlds import (
    ALICE,
    BOB,
    CAROL,
    EVE,
    SARA,
    ZARA,
    Receiver,
    SignedWorld,
    on_receiver,
    public,
)

JOIN_RULES, LEVELS = ("m.room.join_rules", ""), ("m.room.power_levels", "")
UNKNOWN = "$" + "x" * 43


async def _begin(receiver: Receiver, version: str) -> tuple[SignedWorld, Room, Event]:
    world = public(version, BOB, CAROL)
    state = world.state_events
    joined = world.joins(SARA)
    chain = world.chain_of([*state, joined])
    return world, await receiver.reception.seed(world.room_id, version, state, chain, joined), joined


async def _told(receiver: Receiver, room: Room, branch: SignedWorld, sender: str, told: list[Event]) -> None:
    """Let somebody say something after events that nobody has, in the state that their server tells."""
    ours = dict(await receiver.state(room))
    said = branch.make(sender, "m.room.message", {"body": "!"}, prev_events=[UNKNOWN])
    assert await receiver.reception.add(room, said, state_before=told) is Outcome.ACCEPTED
    picked = {event.key: event.event_id for event in told if event.key is not None}
    assert await receiver.state(room) == branch.resolved([ours, picked])
    assert await receiver.problems() == []


@pytest.mark.parametrize("version", ["11", "12"])
def test_an_old_state_does_not_open_a_room_whose_owner_left(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world, room, sara = await _begin(receiver, version)
        opened = world.events[world.state[JOIN_RULES]]
        bob = world.events[world.state["m.room.member", BOB]]
        closed = world.sets_join_rule(ALICE, "invite")
        left = world.leaves(ALICE)
        branch = world.fork()
        renamed = world.joins(BOB, {"displayname": "Bob"})
        assert await receiver.add(room, closed, left, renamed) == [Outcome.ACCEPTED] * 3
        carol = branch.joins(CAROL, {"displayname": "Carol"})
        levels = world.events[world.state[LEVELS]]
        await _told(receiver, room, branch, CAROL, [world.create, levels, left, opened, bob, carol, sara])
        assert room.state_event_id(JOIN_RULES) == (closed.event_id if version == "12" else None)

    on_receiver(tmp_path, scenario)


@pytest.mark.parametrize("version", ["11", "12"])
def test_an_old_state_does_not_take_a_promotion_back(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world, room, sara = await _begin(receiver, version)
        first, opened, alice, bob, carol = (
            world.events[world.state[key]]
            for key in (
                LEVELS,
                JOIN_RULES,
                ("m.room.member", ALICE),
                ("m.room.member", BOB),
                ("m.room.member", CAROL),
            )
        )
        own = {} if version == "12" else {ALICE: 100}
        more = {"events": {"m.room.power_levels": 50}}
        second = world.sets_power_levels(ALICE, {**own, BOB: 50}, more)
        third = world.sets_power_levels(BOB, {**own, BOB: 50, CAROL: 50}, more)
        branch = world.fork()
        zara = world.joins(ZARA)
        assert await receiver.add(room, second, third, zara) == [Outcome.ACCEPTED] * 3
        came = branch.joins(EVE)
        eve = branch.joins(EVE, {"displayname": "Eve"})
        await receiver.reception.add_outliers(room, [came])
        told = [world.create, alice, opened, bob, carol, sara, first, eve]
        await _told(receiver, room, branch, BOB, told)
        kept = third if version == "12" else first
        assert room.state_event_id(LEVELS) == kept.event_id

    on_receiver(tmp_path, scenario)


@pytest.mark.parametrize("version", ["11", "12"])
def test_a_create_event_of_ones_own_makes_nobody_creator(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world, room, _sara = await _begin(receiver, version)
        made = {"room_version": version}
        create = world.make(EVE, "m.room.create", made, "", prev_events=[], auth_events=[])
        joined = world.make(
            EVE,
            "m.room.member",
            {"membership": "join"},
            EVE,
            prev_events=[create.event_id],
            auth_events=[create.event_id],
        )
        before = await receiver.state(room)
        await receiver.reception.add_outliers(room, [create, joined])
        levels = world.make(
            EVE, "m.room.power_levels", {}, "", prev_events=[UNKNOWN], auth_events=[joined.event_id]
        )
        told = [create, joined]
        assert await receiver.reception.add(room, levels, state_before=told) is Outcome.REJECTED
        assert await receiver.add(room, create) == [Outcome.KNOWN]
        assert await receiver.state(room) == before
        assert room.create is not None
        assert room.create.sender == ALICE

    on_receiver(tmp_path, scenario)


@pytest.mark.parametrize("version", ["11", "12"])
def test_a_banned_server_cannot_say_that_it_spoke_before(tmp_path: Path, version: str) -> None:
    async def scenario(receiver: Receiver) -> None:
        world, room, _sara = await _begin(receiver, version)
        before = world.fork()
        banned = world.bans(ALICE, CAROL)
        await receiver.add(room, banned)
        late = [before.says(CAROL, "پیش از آن"), before.joins(CAROL, {"displayname": "دیگر"})]
        state, seen = await receiver.state(room), await receiver.timeline(room)
        assert await receiver.add(room, *late) == [Outcome.SOFT_FAILED] * 2
        assert (await receiver.state(room), await receiver.timeline(room)) == (state, seen)
        assert room.extremities == (banned.event_id,)
        # Nor by citing old auth events on top of the ban.
        forged = world.make(CAROL, "m.room.message", {"body": "!"}, auth_events=late[0].auth_events)
        assert await receiver.add(room, forged) == [Outcome.REJECTED]

    on_receiver(tmp_path, scenario)
