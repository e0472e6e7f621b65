"""What every store must do to tell who shares encrypted rooms with whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hamrasan.storage.ports.devices import ChangeDeviceList
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.ports.rooms import NewRoom, PutMembership, StateVersion
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario, on_store

ALICE, BOB, CAROL, DAVE = (f"@{name}:example.org" for name in ("alice", "bob", "carol", "dave"))
SECRET, PLAIN, OTHER = 1, 2, 3
MEMBERS = {
    SECRET: {ALICE: "join", BOB: "join", CAROL: "leave", DAVE: "invite"},
    PLAIN: {ALICE: "join", CAROL: "join"},
    OTHER: {BOB: "join", DAVE: "join", ALICE: "leave"},
}


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Return what runs a scenario on a store with two encrypted rooms and one that is not."""

    def runner(scenario: Scenario) -> None:
        async def with_rooms(store: Store) -> None:
            writes: list[Write] = [NewRoom(room, f"!{room}", "12", ALICE, 0) for room in MEMBERS]
            writes += [StateVersion(room, "m.room.encryption", "", 1, 1) for room in (SECRET, OTHER)]
            writes += [
                PutMembership(room, user_id, membership, 2, "$m", user_id)
                for room, members in MEMBERS.items()
                for user_id, membership in members.items()
            ]
            await store.journal.submit(Batch(writes))
            await scenario(store)

        on_store(tmp_path, with_rooms)

    return runner


def test_encrypted_rooms(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        assert await store.sharing.encrypted_rooms(ALICE) == ["!1"]
        assert sorted(await store.sharing.encrypted_rooms(BOB)) == ["!1", "!3"]
        assert await store.sharing.encrypted_rooms(CAROL) == []

    run(scenario)


@pytest.mark.parametrize("strangers", [0, 500])
def test_sharing(run: Callable[[Scenario], None], strangers: int) -> None:
    async def scenario(store: Store) -> None:
        asked = [ALICE, BOB, CAROL, DAVE, *(f"@stranger{number}:example.org" for number in range(strangers))]
        assert await store.sharing.sharing(ALICE, asked) == {ALICE, BOB}
        assert await store.sharing.sharing(BOB, asked) == {ALICE, BOB, DAVE}
        assert await store.sharing.sharing(CAROL, asked) == set()
        assert await store.sharing.sharing(DAVE, [BOB]) == {BOB}

    run(scenario)


def test_device_changes(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        changes: list[Write] = [
            ChangeDeviceList(user_id, position)
            for position, user_id in enumerate((DAVE, BOB, CAROL, ALICE), start=11)
        ]
        await store.journal.submit(Batch(changes))
        assert await store.sharing.device_changes(ALICE, 0, 99) == [BOB, ALICE]
        assert await store.sharing.device_changes(BOB, 0, 99) == [DAVE, BOB, ALICE]
        assert await store.sharing.device_changes(CAROL, 0, 99) == [CAROL]
        assert await store.sharing.device_changes(ALICE, 12, 99) == [ALICE]
        assert await store.sharing.device_changes(ALICE, 0, 13) == [BOB]

    run(scenario)
