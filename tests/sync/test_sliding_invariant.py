"""The one invariant of sliding sync: what a client had, and what it is told, is what a new client gets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamrasan.protocol.errors import MatrixError
from tests.sync.sliding_client import SlidingClient
from tests.sync.test_invariant import act_in_room, acts
from tests.sync.world import World, in_world

ALICE, BOB, CAROL = "@alice:example.org", "@bob:example.org", "@carol:example.org"
ROOMS = 3
users = st.sampled_from((ALICE, BOB, CAROL))
rooms = st.integers(0, ROOMS - 1)
Step = tuple[Any, ...]
steps = st.one_of(
    acts(rooms, 2),
    st.tuples(
        st.just("sync"), st.sampled_from((None, ((0, 0),), ((0, 1),), ((1, 2),))), st.sampled_from((1, 3, 20))
    ),
    st.tuples(st.just("lost"), st.sampled_from((None, ((0, 1),)))),
    st.tuples(st.just("restart"), st.booleans()),
)


async def take(world: World, step: Step, room_ids: list[str], client: SlidingClient) -> None:
    """Do one thing; what the rules refuse is simply not done."""
    match step:
        case ("sync", ranges, limit):
            await client.sync(ranges, limit=limit)
        case ("lost", ranges):
            await client.sync(ranges, lost=True)
        case ("restart", crash):
            await world.restart(crash=crash)
        case (act, room, *who):
            try:
                await act_in_room(world, act, room_ids[room], who)
            except MatrixError as error:
                if error.errcode != "M_FORBIDDEN":
                    raise


def compare(client: SlidingClient, fresh: SlidingClient) -> None:
    """Fail unless a client knows just what one that begins now is told."""
    known, new = client.inside(), fresh.inside()
    assert known.keys() == new.keys()
    for room_id, room in new.items():
        mine = known[room_id]
        shared = min(len(room["timeline"]), len(mine["timeline"]))
        assert (
            room["timeline"][len(room["timeline"]) - shared :]
            == mine["timeline"][len(mine["timeline"]) - shared :]
        )
        for name in room.keys() - {"timeline", "whole", "heroes"}:
            assert mine.get(name) == room[name], name


@pytest.mark.parametrize("visibility", [None, "joined"])
@given(taken=st.lists(steps, max_size=35))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_answers_add_up_to_a_first_one(visibility: str | None, taken: list[Step]) -> None:
    async def scenario(world: World) -> None:
        room_ids = [
            await world.room(ALICE, visibility=visibility),
            await world.room(BOB),
            await world.room(CAROL),
        ]
        client = SlidingClient(world, BOB)
        for step in taken:
            await take(world, step, room_ids, client)
        await client.sync(limit=20)
        fresh = SlidingClient(world, BOB, "fresh")
        await fresh.sync(limit=20)
        compare(client, fresh)
        before = client.pos
        await client.sync(limit=20)
        assert client.pos != before

    in_world(scenario)


@given(taken=st.lists(steps.filter(lambda step: step[0] not in ("sync", "lost", "restart")), max_size=40))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_happens_while_an_answer_is_written_is_told_by_the_next(taken: list[Step]) -> None:
    async def scenario(world: World) -> None:
        room_ids = [await world.room(who) for who in (ALICE, BOB, CAROL)]
        client = SlidingClient(world, BOB)
        done = asyncio.Event()

        async def keep_syncing() -> None:
            while not done.is_set():
                await client.sync()
                await asyncio.sleep(0)

        syncing = asyncio.create_task(keep_syncing())
        for step in taken:
            await take(world, step, room_ids, client)
        done.set()
        await syncing
        await client.sync()
        fresh = SlidingClient(world, BOB, "fresh")
        await fresh.sync()
        compare(client, fresh)

    in_world(scenario)
