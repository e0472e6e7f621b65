"""The generators and the world's builder against a real server."""

import asyncio
import os
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from bench.errors import BenchError
from bench.load.delivered import DeliveredPlan, PlanRoom
from bench.load.delivered import Generator as DeliveredGenerator
from bench.load.openloop import Generator as OpenLoopGenerator
from bench.load.openloop import OpenLoopPlan, Pair
from bench.load.pool import Pool
from bench.scale import MEMBERS_PER_ROOM, QUICK, Scale
from bench.world import Builder, World
from tests.running import Running

TINY = replace(QUICK, rooms=2, flat_members=(10, 25), hub_rooms=3, parked=25, key_users=3, key_queries=2)


def port_of(server: Running) -> int:
    port = urlsplit(server.url).port
    assert port is not None
    return port


def build(server: Running, *steps: str, scale: Scale = TINY) -> World:
    async def make() -> World:
        async with Pool(port_of(server), 4) as pool:
            builder = Builder(pool, scale)
            for step in steps:
                await getattr(builder, step)()
            return builder.world

    return asyncio.run(make())


def test_world_has_what_the_workloads_need(fresh_server: Running) -> None:
    world = build(fresh_server, "small_rooms", "devices", "flat_rooms", "hub", "key_ring")
    assert [len(room.members) for room in world.rooms] == [MEMBERS_PER_ROOM] * 2
    assert len({device.token for device in world.devices}) == 25
    assert [(room.target, room.reached) for room in world.flat] == [(10, 10), (25, 25)]
    assert world.hub is not None
    assert (world.hub.reached, len(world.hub.changing_rooms)) == (3, 3)
    assert world.key_ring is not None
    assert len(set(world.key_ring.user_ids)) == 3
    assert set(world.seconds) == {"small_rooms", "devices", "flat_rooms", "hub", "key_ring"}


def test_time_limit_stops_the_filling_and_says_where(fresh_server: Running) -> None:
    world = build(
        fresh_server, "flat_rooms", "hub", scale=replace(TINY, flat_fill_seconds=0, hub_fill_seconds=0)
    )
    assert world.flat == []
    assert world.hub is not None
    assert (world.hub.target, world.hub.reached) == (3, 0)


def test_refusal_ends_the_building_with_the_servers_words(fresh_server: Running) -> None:
    build(fresh_server, "small_rooms")
    with pytest.raises(ExceptionGroup) as raised:
        build(fresh_server, "small_rooms")
    assert raised.group_contains(BenchError, match="M_USER_IN_USE")


@pytest.mark.parametrize("own_send_reads", [True, False])
def test_every_delivery_is_judged_by_its_count(fresh_server: Running, own_send_reads: bool) -> None:
    world = build(fresh_server, "small_rooms")
    plan = DeliveredPlan(
        port=port_of(fresh_server),
        server_pids=[os.getpid()],
        rooms=[PlanRoom(room.room_id, [member.token for member in room.members]) for room in world.rooms],
        warmup_seconds=0.1,
        seconds=0.5,
        inflight=2,
        own_send_reads=own_send_reads,
        run="count",
    )
    result = DeliveredGenerator(plan).run()
    assert result.sends > 0
    assert result.missing == 0
    assert result.right + result.wrong_count >= result.sends * MEMBERS_PER_ROOM
    assert (result.wrong_count == 0) is own_send_reads  # this server does what the specification says
    assert 0 < result.last_p50_ms <= result.last_p99_ms


def test_open_loop_times_every_message_that_was_due(fresh_server: Running) -> None:
    world = build(fresh_server, "small_rooms")
    plan = OpenLoopPlan(
        port=port_of(fresh_server),
        server_pids=[os.getpid()],
        pairs=[Pair(room.room_id, room.members[0].token, room.members[1].token) for room in world.rooms],
        rate=50,
        warmup_seconds=0.1,
        seconds=0.5,
        grace_seconds=10,
        run="open",
    )
    result = OpenLoopGenerator(plan).run()
    assert (result.due, result.delivered) == (25, 25)
    assert result.p50_ms is not None
    assert result.p99_ms is not None
    assert 0 < result.p50_ms <= result.p99_ms
