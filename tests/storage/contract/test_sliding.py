"""What is kept for sliding sync: rooms at a glance, and connections while the server does not run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hamrasan.storage.ports.devices import DeleteDevice
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.ports.room_index import RoomIndexRow
from hamrasan.storage.ports.rooms import NewRoom, StateVersion, StoredEvent
from hamrasan.storage.ports.sliding import ForgetSlidingConnections, PutSlidingConnection
from hamrasan.storage.ports.user_data import READ, UNTHREADED, PutReceipt
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario, on_store

ALICE = "@alice:example.org"
CREATE = b'{"type":"m.space"}'


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Return what runs a scenario on an empty store."""
    return lambda scenario: on_store(tmp_path, scenario)


async def write(store: Store, *writes: Write, positions: int = 0) -> None:
    await store.journal.submit(Batch(list(writes), positions))


def event(
    position: int, room: int, type: str, content: bytes = b"{}", state_key: str | None = None
) -> StoredEvent:
    return StoredEvent(
        position,
        room,
        f"$event{position}",
        type,
        state_key,
        ALICE,
        0,
        1,
        content,
        b"{}",
        0,
        0,
        None,
        None,
        None,
        None,
    )


def test_rooms_at_a_glance(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        assert await store.room_index.page(0, 10) == []
        await write(
            store,
            NewRoom(1, "!one:x", "11", ALICE, 1),
            event(1, 1, "m.room.create", CREATE, ""),
            StateVersion(1, "m.room.create", "", 1, 1),
            event(2, 1, "m.room.encryption", state_key=""),
            StateVersion(1, "m.room.encryption", "", 2, 2),
            NewRoom(2, "!two:x", "11", ALICE, 3),
            event(3, 2, "m.room.create", state_key=""),
            StateVersion(2, "m.room.create", "", 3, 3),
            event(4, 2, "m.room.message"),
            PutReceipt(2, ALICE, READ, UNTHREADED, "$event4", 4, 0, 5),
            positions=5,
        )
        one = RoomIndexRow(1, 2, 0, CREATE, is_encrypted=True)
        two = RoomIndexRow(2, 4, 5, b"{}", is_encrypted=False)
        assert await store.room_index.page(0, 10) == [one, two]
        assert await store.room_index.page(0, 1) == [one]
        assert await store.room_index.page(1, 10) == [two]
        assert await store.room_index.page(2, 10) == []

    run(scenario)


def test_connections_are_replaced_and_go_with_their_device_or_their_age(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario(store: Store) -> None:
        reader = store.sliding_connections
        assert await reader.get(ALICE, "A", "main") is None
        await write(
            store,
            PutSlidingConnection(ALICE, "A", "main", 1, b"first"),
            PutSlidingConnection(ALICE, "A", "main", 5, b"second"),
            PutSlidingConnection(ALICE, "A", "", 3, b"old"),
            PutSlidingConnection(ALICE, "B", "main", 5, b"other"),
        )
        assert await reader.get(ALICE, "A", "main") == b"second"
        assert await reader.get(ALICE, "A", "") == b"old"
        await write(store, ForgetSlidingConnections(5))
        assert await reader.get(ALICE, "A", "") is None
        assert await reader.get(ALICE, "A", "main") == b"second"
        await write(store, DeleteDevice(ALICE, "A"))
        assert await reader.get(ALICE, "A", "main") is None
        assert await reader.get(ALICE, "B", "main") == b"other"

    run(scenario)
