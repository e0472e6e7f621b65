"""Which rooms stand in a list: order, filters and windows."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.rooms import RoomRow
from hamrasan.sync.sliding import composer
from hamrasan.sync.sliding.connections import Connection
from hamrasan.sync.sliding.request import ListConfig, RoomConfig, RoomFilters, SlidingRequest
from hamrasan.sync.sliding.required_state import RequiredState
from tests.sync.sliding_client import SlidingClient
from tests.sync.world import SERVER, World, in_world

ALICE, BOB = "@alice:example.org", "@bob:example.org"
CONFIG = RoomConfig(1, RequiredState())


async def space(world: World, *children: str) -> str:
    registry = world.services.registry
    number = await registry.next_number()
    room = Room(RoomRow(number, f"!space{number}:{SERVER}", "11", ALICE))
    decision = registry.begin(room)
    decision.add(NewEvent("m.room.create", ALICE, {"room_version": "11", "type": "m.space"}, ""))
    decision.add(NewEvent("m.room.member", ALICE, {"membership": "join"}, ALICE))
    for child in children:
        decision.add(NewEvent("m.space.child", ALICE, {"via": [SERVER]}, child))
    await registry.create(room, decision)
    return room.id


async def listed(world: World, filters: RoomFilters | None = None, *ranges: tuple[int, int]) -> list[str]:
    """Return a list of Alice's."""
    wanted = {"all": ListConfig(CONFIG, ranges or None, filters)}
    request = SlidingRequest(Reader(ALICE, "D"), lists=wanted)
    stream = await world.services.notifier.stream(ALICE)
    lists = world.services.sliding_sync.lists
    windows = await lists.windows(request, stream, Connection((ALICE, "D", ""), "n"))
    if not ranges:
        assert windows.counts == {"all": len(windows.rooms)}
    return list(windows.rooms)


def test_lists_are_sorted_by_the_last_event_also_after_a_restart() -> None:
    async def scenario(world: World) -> None:
        one, two, three = [await world.room(ALICE) for _ in range(3)]
        assert await listed(world) == [three, two, one]
        await world.say(one, ALICE)
        await world.send(two, ALICE, "m.room.topic", {"topic": "x"}, "")
        assert await listed(world) == [two, one, three]
        await world.restart()
        assert await listed(world) == [two, one, three]
        assert await listed(world, None, (1, 1)) == [one]
        assert await listed(world, None, (2, 9), (0, 0)) == [three, two]
        assert await listed(world, None, (3, 9)) == []

    in_world(scenario)


@pytest.mark.parametrize("restart", [False, True])
def test_filters(restart: bool) -> None:
    async def scenario(world: World) -> None:
        plain, secret, direct, tagged = [await world.room(ALICE) for _ in range(4)]
        await world.send(secret, ALICE, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}, "")
        invited = await world.room(BOB)
        await world.member(invited, BOB, "invite", ALICE)
        group = await space(world, plain, invited)
        data = world.services.account_data
        await data.put(ALICE, "", "m.direct", b'{"@bob:example.org":["%b"]}' % direct.encode())
        await data.put(ALICE, tagged, "m.tag", b'{"tags":{"m.favourite":{},"u.work":{}}}')
        if restart:
            await world.restart()
            data = world.services.account_data
        everything = {plain, secret, direct, tagged, invited, group}

        async def passing(**wanted: Any) -> set[str]:
            return set(await listed(world, RoomFilters(**wanted)))

        assert await passing() == everything
        assert await passing(is_dm=True) == {direct}
        assert await passing(is_dm=False) == everything - {direct}
        assert await passing(is_encrypted=True) == {secret}
        assert await passing(is_encrypted=False) == everything - {secret}
        assert await passing(is_invited=True) == {invited}
        assert await passing(is_invited=False) == everything - {invited}
        assert await passing(room_types=frozenset({"m.space"})) == {group}
        assert await passing(room_types=frozenset({None})) == everything - {group}
        assert await passing(not_room_types=frozenset({"m.space"})) == everything - {group}
        both = frozenset({"m.space"})
        assert await passing(room_types=both, not_room_types=both) == set()
        assert await passing(spaces=frozenset({group, "!none:x"})) == {plain, invited}
        assert await passing(spaces=frozenset({invited})) == set()
        assert await passing(tags=frozenset({"m.favourite", "u.other"})) == {tagged}
        assert await passing(tags=frozenset({"m.favourite"}), not_tags=frozenset({"u.work"})) == set()
        assert await passing(not_tags=frozenset({"u.work"})) == everything - {tagged}
        assert await passing(
            is_dm=False, is_encrypted=False, is_invited=False, spaces=frozenset({group})
        ) == {plain}
        await data.put(ALICE, tagged, "m.tag", b'{"tags":"nonsense"}')
        assert await passing(tags=frozenset({"m.favourite"})) == set()
        await world.send(group, ALICE, "m.space.child", {}, plain)
        assert await passing(spaces=frozenset({group})) == {invited}

    in_world(scenario)


def test_a_first_answer_loads_no_room_but_those_that_it_shows() -> None:
    async def scenario(world: World) -> None:
        for _ in range(30):
            await world.room(ALICE)
        await world.restart()
        client = SlidingClient(world, ALICE)
        await client.sync(((0, 4),))
        assert len(client.rooms) == 5
        assert world.services.registry.loaded_count == 5

    in_world(scenario)


def test_what_is_too_much_for_one_answer_comes_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World) -> None:
        rooms = [await world.room(ALICE) for _ in range(5)]
        monkeypatch.setattr(composer, "MAX_ANSWER_BYTES", 3_000)
        client = SlidingClient(world, ALICE)
        await client.sync()
        assert 0 < len(client.rooms) < 5
        assert rooms[-1] in client.rooms
        for _ in range(4):
            await client.sync()
        assert client.rooms.keys() == set(rooms)

    in_world(scenario)
