"""Creating and upgrading rooms when the disk fails, or when two want the same: all of it happens, or nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hamrasan.flows.create_room import RoomWish
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.directory import DirectoryQuery
from hamrasan.storage.ports.journal import CommitFailed
from hamrasan.storage.sqlite.store import DATABASE_FILE
from tests.rooms.engine import decided, durable
from tests.sync.world import SERVER, World

ALICE, BOB = f"@alice:{SERVER}", f"@bob:{SERVER}"
PUB = f"#pub:{SERVER}"
WISH = RoomWish(visibility="public", room_alias_name="pub", name="Pub", invite=[BOB])


def in_world(data_dir: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World(data_dir)
        try:
            for user_id in (ALICE, BOB):
                await world.services.accounts.create(user_id, "a long password")
            await scenario(world)
        finally:
            await world.close()

    asyncio.run(main())


@contextmanager
def no_room_can_be_stored(world: World) -> Iterator[None]:
    """Let every commit with a new room fail in the database."""

    def change(sql: str) -> None:
        with closing(sqlite3.connect(world.data_dir / DATABASE_FILE)) as connection:
            connection.execute(sql)

    change("CREATE TRIGGER broken BEFORE INSERT ON rooms BEGIN SELECT RAISE(ABORT, 'broken'); END")
    try:
        yield
    finally:
        change("DROP TRIGGER broken")


async def stored(world: World) -> dict[str, Any]:
    """Return what the store holds that stories about rooms change."""
    rooms = world.store.rooms
    return {
        "durable": world.store.journal.durable,
        "rooms": await rooms.last_room(),
        "alice": await rooms.memberships(ALICE),
        "bob": await rooms.memberships(BOB),
        "alias": await rooms.alias(PUB),
        "listed": await rooms.published(),
        "directory": await world.services.directory.page(DirectoryQuery()),
    }


def test_a_room_that_could_not_be_stored_leaves_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        before = await stored(world)
        with no_room_can_be_stored(world), pytest.raises(CommitFailed):
            await world.services.create_room.create(ALICE, WISH)
        assert await stored(world) == before
        room_id = await world.services.create_room.create(ALICE, WISH)  # its alias is free as before
        after = await stored(world)
        assert after["alias"][0].room_id == room_id
        assert [row.room_id for row, _ in after["listed"]] == [room_id]
        assert [(row.room_id, row.membership) for row in after["bob"]] == [(room_id, "invite")]

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("version", ["11", "12"])
def test_an_upgrade_that_could_not_be_stored_leaves_the_old_room(tmp_path: Path, version: str) -> None:
    async def scenario(world: World) -> None:
        room_id = await world.services.create_room.create(ALICE, WISH)
        before = await stored(world)
        old = await world.services.registry.get(room_id)
        held = decided(old), durable(old)
        with no_room_can_be_stored(world), pytest.raises(CommitFailed):
            await world.services.upgrade_room.upgrade(room_id, ALICE, version)
        assert old.stale
        again = await world.services.registry.get(room_id)
        assert (decided(again), durable(again)) == held
        assert await stored(world) == before
        new_id = await world.services.upgrade_room.upgrade(room_id, ALICE, version)
        after = await stored(world)
        assert after["alias"][0].room_id == new_id
        assert [row.room_id for row, _ in after["listed"]] == [new_id]

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("version", ["11", "12"])
def test_a_refused_upgrade_leaves_the_old_room_in_memory_as_it_was(tmp_path: Path, version: str) -> None:
    async def scenario(world: World) -> None:
        room_id = await world.services.create_room.create(ALICE, WISH)
        await world.services.membership.join(room_id, BOB)
        old = await world.services.registry.get(room_id)
        before, held = await stored(world), (decided(old), durable(old))
        with pytest.raises(MatrixError) as refusal:
            await world.services.upgrade_room.upgrade(room_id, BOB, version)
        assert refusal.value.errcode == "M_FORBIDDEN"
        assert (decided(old), durable(old)) == held
        assert await stored(world) == before

    in_world(tmp_path, scenario)


def test_of_two_rooms_with_the_same_alias_one_comes_to_be(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        outcomes = await asyncio.gather(
            *(
                world.services.create_room.create(who, RoomWish(room_alias_name="pub"))
                for who in (ALICE, BOB)
            ),
            world.services.create_room.create(ALICE, RoomWish(room_alias_name="other")),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, MatrixError)]
        assert [error.errcode for error in refused] == ["M_ROOM_IN_USE"]
        assert len({outcome for outcome in outcomes if isinstance(outcome, str)}) == 2
        found = await world.store.rooms.alias(PUB)
        assert found is not None
        assert found[0].room_id in outcomes

    in_world(tmp_path, scenario)


def test_rooms_and_their_listing_are_the_same_after_a_restart(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        room_id = await world.services.create_room.create(ALICE, WISH)
        new_id = await world.services.upgrade_room.upgrade(room_id, ALICE, "12")
        before = await stored(world)
        rooms = {known: decided(await world.services.registry.get(known)) for known in (room_id, new_id)}
        await world.restart()
        assert await stored(world) == before
        for known, held in rooms.items():
            assert decided(await world.services.registry.get(known)) == held

    in_world(tmp_path, scenario)
