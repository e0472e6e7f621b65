"""What every store must do so that rooms can be found without loading them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.rooms import NewRoom, PutMembership, StateVersion, StoredEvent
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario, on_store

ALICE, BOB, CAROL = "@alice:example.org", "@bob:example.org", "@carol:example.org"
MEMBERS = {
    1: {ALICE: "join", BOB: "leave"},
    2: {ALICE: "join", BOB: "join", CAROL: "invite"},
    3: {ALICE: "join", BOB: "join"},
    4: {BOB: "join", CAROL: "join"},
}


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Return what runs a scenario on a store with four rooms and their members."""

    def runner(scenario: Scenario) -> None:
        async def with_rooms(store: Store) -> None:
            writes: list[Write] = [NewRoom(room, f"!{room}", "12", ALICE, 0) for room in MEMBERS]
            writes += [
                PutMembership(room, user_id, membership, 1, "$m", user_id)
                for room, members in MEMBERS.items()
                for user_id, membership in members.items()
            ]
            await store.journal.submit(Batch(writes))
            await scenario(store)

        on_store(tmp_path, with_rooms)

    return runner


async def set_state(store: Store, room: int, type: str, state_key: str) -> Position:
    position = store.journal.next_position
    event = StoredEvent(
        position,
        room,
        f"$e{position}",
        type,
        state_key,
        ALICE,
        1,
        1,
        b"{}",
        b"{}",
        0,
        0,
        None,
        None,
        None,
        None,
    )
    version = StateVersion(room, type, state_key, position, position)
    await store.journal.submit(Batch([event, version], positions=1))
    return position


def test_one_membership_and_how_many_are_in_a_room(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        assert await store.rooms.membership(1, BOB) == "leave"
        assert await store.rooms.membership(2, CAROL) == "invite"
        assert await store.rooms.membership(1, CAROL) is None
        assert await store.rooms.membership(99, ALICE) is None
        assert [await store.rooms.joined(room) for room in (1, 2, 3, 4, 99)] == [1, 2, 2, 2, 0]

    run(scenario)


def test_rooms_that_two_users_share(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        assert await store.rooms.mutual(ALICE, BOB) == [(2, "!2"), (3, "!3")]
        assert await store.rooms.mutual(CAROL, BOB) == [(4, "!4")]
        assert await store.rooms.mutual(ALICE, CAROL) == []
        assert await store.rooms.mutual(ALICE, "@nobody:example.org") == []

    run(scenario)


def test_state_of_one_type(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await set_state(store, 1, "m.space.child", "!b")
        first = await set_state(store, 1, "m.space.child", "!a")
        last = await set_state(store, 1, "m.space.child", "!b")
        await set_state(store, 1, "m.space.parent", "!c")
        await set_state(store, 2, "m.space.child", "!d")
        found = await store.state.of_type(1, "m.space.child", 10)
        assert [(event.state_key, event.position) for event in found] == [("!a", first), ("!b", last)]
        assert [event.state_key for event in await store.state.of_type(1, "m.space.child", 1)] == ["!a"]
        assert await store.state.of_type(3, "m.space.child", 10) == []

    run(scenario)
