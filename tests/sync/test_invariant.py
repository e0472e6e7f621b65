"""The one invariant of a sync server: what a client had, and what it is told, is what a new client gets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamrasan.protocol.errors import MatrixError
from tests.sync.world import Client, World, in_world

ALICE, BOB, CAROL = "@alice:example.org", "@bob:example.org", "@carol:example.org"
USERS = (ALICE, BOB, CAROL)

users = st.sampled_from(USERS)
rooms = st.integers(0, 1)
Step = tuple[Any, ...]


def acts(rooms: st.SearchStrategy[int], least_chatter: int) -> st.SearchStrategy[Step]:
    """Return what people do in rooms, as `act_in_room` takes it."""
    return st.one_of(
        st.tuples(st.just("say"), rooms, users),
        st.tuples(st.just("chatter"), rooms, users, st.integers(least_chatter, 25)),
        st.tuples(st.just("topic"), rooms, users),
        st.tuples(st.just("join"), rooms, users),
        st.tuples(st.just("leave"), rooms, users),
        st.tuples(st.just("kick"), rooms, users, users),
        st.tuples(st.just("invite"), rooms, users, users),
        st.tuples(st.just("ban"), rooms, users, users),
    )


steps = st.one_of(
    acts(rooms, 8),
    st.tuples(st.just("sync"), st.integers(0, 2)),
    st.tuples(st.just("restart")),
)


async def take(world: World, step: Step, room_ids: list[str], clients: list[Client]) -> None:
    """Do one thing; what the rules refuse is simply not done."""
    match step:
        case ("sync", client):
            await clients[client % len(clients)].sync()
        case ("restart",):
            await world.restart()
        case (act, room, *who):
            try:
                await act_in_room(world, act, room_ids[room], who)
            except MatrixError as error:
                if error.errcode != "M_FORBIDDEN":
                    raise


async def act_in_room(world: World, act: str, room_id: str, who: list[Any]) -> None:
    match act, who:
        case "say", [sender]:
            await world.say(room_id, sender)
        case "chatter", [sender, count]:
            for _ in range(count):
                await world.say(room_id, sender)
        case "topic", [sender]:
            topic = f"topic at {world.store.journal.next_position}"
            await world.send(room_id, sender, "m.room.topic", {"topic": topic}, "")
        case (("join" | "leave"), [sender]):
            await world.member(room_id, sender, act)
        case "kick", [sender, target]:
            await world.member(room_id, sender, "leave", target)
        case (("invite" | "ban"), [sender, target]):
            await world.member(room_id, sender, act, target)


async def compare(client: Client) -> None:
    """Fail unless a client knows just what one that begins now is told."""
    fresh = Client(client.world, client.who, **{**client.options, "device": "FRESH"})
    await fresh.sync()
    assert client.state == fresh.state
    assert client.invited == fresh.invited
    for room_id, events in fresh.timelines.items():
        known = client.timelines[room_id]
        shared = min(len(events), len(known))
        assert events[len(events) - shared :] == known[len(known) - shared :]
    for room_id in client.unread.keys() & fresh.state.keys():
        assert client.unread[room_id] == fresh.unread[room_id]


@pytest.mark.parametrize("visibility", [None, "joined"])
@pytest.mark.parametrize("state_after", [False, True])
@given(taken=st.lists(steps, max_size=30))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_incremental_syncs_add_up_to_an_initial_one(
    state_after: bool, visibility: str | None, taken: list[Step]
) -> None:
    async def scenario(world: World) -> None:
        room_ids = [await world.room(ALICE, visibility=visibility), await world.room(BOB)]
        clients = [Client(world, BOB, state_after=state_after), Client(world, CAROL, state_after=state_after)]
        for step in taken:
            await take(world, step, room_ids, clients)
        for client in clients:
            await client.sync()
            await compare(client)

    in_world(scenario)


@pytest.mark.parametrize("timeline", [{"types": ["m.room.message"]}, {"not_types": ["*"]}, {"limit": 1}])
@given(taken=st.lists(steps, max_size=30))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_filter_of_timelines_hides_state(timeline: dict[str, Any], taken: list[Step]) -> None:
    async def scenario(world: World) -> None:
        room_ids = [await world.room(ALICE, visibility="joined"), await world.room(BOB)]
        client = Client(world, CAROL, filter={"room": {"timeline": timeline}})
        for step in taken:
            await take(world, step, room_ids, [client])
        await client.sync()
        everything = Client(world, CAROL, device="FRESH")
        await everything.sync()
        assert client.state == everything.state

    in_world(scenario)


@given(taken=st.lists(steps.filter(lambda step: step[0] not in ("sync", "restart")), max_size=40))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_happens_while_an_answer_is_written_is_told_by_the_next(taken: list[Step]) -> None:
    async def scenario(world: World) -> None:
        room_ids = [await world.room(ALICE), await world.room(BOB)]
        client = Client(world, BOB)
        done = asyncio.Event()

        async def keep_syncing() -> None:
            while not done.is_set():
                await client.sync()
                await asyncio.sleep(0)

        syncing = asyncio.create_task(keep_syncing())
        for step in taken:
            await take(world, step, room_ids, [])
        done.set()
        await syncing
        await client.sync()
        await compare(client)
        for room_id, events in client.timelines.items():
            assert len(events) == len(set(events)), room_id

    in_world(scenario)


@given(taken=st.lists(steps, max_size=30))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_lazy_clients_know_everybody_who_speaks(taken: list[Step]) -> None:
    async def scenario(world: World) -> None:
        room_ids = [await world.room(ALICE), await world.room(BOB)]
        lazy = {"room": {"state": {"lazy_load_members": True}}}
        client = Client(world, BOB, filter=lazy)
        for step in taken:
            await take(world, step, room_ids, [client])
        await client.sync()
        for room_id, events in client.timelines.items():
            for event_id in events:
                stored = await world.store.events.by_id(event_id)
                assert stored is not None
                assert ("m.room.member", stored.sender) in client.state[room_id]

    in_world(scenario)
