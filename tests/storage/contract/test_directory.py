"""What every store must do with room aliases and the public directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hamrasan.storage.ports.journal import Batch, CommitFailed, Write
from hamrasan.storage.ports.rooms import (
    DeleteAlias,
    MoveAliases,
    NewRoom,
    PublishRoom,
    PutAlias,
    PutMembership,
    RoomRow,
    UnpublishRoom,
)
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario, on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"
ROOM, OTHER = 1, 2


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


def test_aliases(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await put(
            store, PutAlias("#b:x", ROOM, BOB), PutAlias("#a:x", ROOM, ALICE), PutAlias("#c:x", OTHER, BOB)
        )
        assert await store.rooms.alias("#b:x") == (RoomRow(1, "!1", "12", ALICE), BOB)
        assert await store.rooms.alias("#missing:x") is None
        assert await store.rooms.aliases(ROOM) == ["#a:x", "#b:x"]
        await put(store, DeleteAlias("#b:x"))
        assert await store.rooms.alias("#b:x") is None
        assert await store.rooms.aliases(ROOM) == ["#a:x"]

    run(scenario)


def test_all_aliases_of_a_room_move_and_keep_their_creators(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await put(
            store, PutAlias("#a:x", ROOM, ALICE), PutAlias("#b:x", ROOM, BOB), PutAlias("#c:x", OTHER, BOB)
        )
        await put(store, MoveAliases(OTHER, ROOM))
        assert await store.rooms.aliases(ROOM) == []
        assert await store.rooms.aliases(OTHER) == ["#a:x", "#b:x", "#c:x"]
        assert await store.rooms.alias("#a:x") == (RoomRow(2, "!2", "12", ALICE), ALICE)

    run(scenario)


def test_an_alias_that_is_taken_stays_where_it_points(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await put(store, PutAlias("#a:x", ROOM, ALICE))
        with pytest.raises(CommitFailed):
            await put(store, PublishRoom(OTHER), PutAlias("#a:x", OTHER, BOB))
        found = await store.rooms.alias("#a:x")
        assert found is not None
        assert (found[0].room, found[1]) == (ROOM, ALICE)
        assert not await store.rooms.is_published(OTHER)

    run(scenario)


def test_the_directory(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        first, second = RoomRow(1, "!1", "12", ALICE), RoomRow(2, "!2", "12", ALICE)
        await put(store, PublishRoom(OTHER), PublishRoom(ROOM), PublishRoom(ROOM))
        await put(store, PutMembership(ROOM, ALICE, "join", 1, "$1", ALICE))
        await put(store, PutMembership(ROOM, BOB, "invite", 2, "$2", ALICE))
        assert sorted(await store.rooms.published()) == [(first, 1), (second, 0)]
        assert await store.rooms.is_published(ROOM)
        await put(store, UnpublishRoom(ROOM))
        assert not await store.rooms.is_published(ROOM)
        assert await store.rooms.published() == [(second, 0)]

    run(scenario)
