"""What every store must do with keys and with messages from device to device."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.devices import DeleteDevice, NewDevice
from hamrasan.storage.ports.encryption import (
    AcknowledgeToDeviceMessages,
    DropOldToDeviceMessages,
    FallbackKeyRow,
    ForgetToDeviceTransactions,
    KeyCounts,
    NewOneTimeKey,
    NewToDeviceMessage,
    NoteToDeviceTransaction,
    PutDeviceKeys,
    PutFallbackKey,
    TakeOneTimeKey,
    ToDeviceRow,
    UseFallbackKey,
)
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"


async def put(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch(list(writes)))


def device(user_id: str, device_id: str, name: str | None = None) -> NewDevice:
    return NewDevice(user_id, device_id, name, 1, None, None)


def message(device_id: str, position: int, number: int) -> NewToDeviceMessage:
    return NewToDeviceMessage(ALICE, device_id, position, number, b"%d.%d" % (position, number))


def test_identity_keys_are_those_of_existing_devices(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, device(ALICE, "A", "Phone"), device(ALICE, "B"), device(BOB, "C"))
        await put(store, PutDeviceKeys(ALICE, "A", b"{}"), PutDeviceKeys(ALICE, "A", b'{"x":1}'))
        await put(store, PutDeviceKeys(ALICE, "GONE", b"{}"), PutDeviceKeys(BOB, "C", b"{}"))
        found = await store.encryption.device_keys([ALICE])
        assert found == [(ALICE, "A", b'{"x":1}', "Phone")]
        assert len(await store.encryption.device_keys([ALICE, BOB, "@x:y"])) == 2
        assert await store.encryption.device_keys([]) == []
        assert await store.encryption.keys_of_device(ALICE, "A") == b'{"x":1}'
        assert await store.encryption.keys_of_device(ALICE, "B") is None
        assert await store.devices.ids_of([ALICE, "@x:y"]) == {ALICE: ("A", "B")}

    on_store(tmp_path, scenario)


def test_one_time_keys_are_taken_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        reader = store.encryption
        await put(store, device(ALICE, "A"), NewOneTimeKey(ALICE, "GONE", "x", "a", b"a"))
        assert await reader.one_time_key(ALICE, "GONE", "x", "a") is None
        for key_id in "cab":
            await put(store, NewOneTimeKey(ALICE, "A", "x", key_id, key_id.encode()))
        await put(store, NewOneTimeKey(ALICE, "A", "y", "c", b"other"))
        assert await reader.one_time_key(ALICE, "A", "x", "a") == (b"a",)
        assert await reader.one_time_key(ALICE, "B", "x", "a") is None
        for key_id in "cab":
            key = await reader.next_one_time_key(ALICE, "A", "x")
            assert key is not None
            assert (key.key_id, key.key) == (key_id, key_id.encode())
            await put(store, TakeOneTimeKey(key.number))
        assert await reader.next_one_time_key(ALICE, "A", "x") is None
        assert await reader.one_time_key(ALICE, "A", "x", "a") == (None,)
        assert await reader.key_counts(ALICE, "A") == KeyCounts({"x": 0, "y": 1}, [])

    on_store(tmp_path, scenario)


def test_a_new_fallback_key_replaces_the_old_one_and_is_unused(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        reader = store.encryption
        await put(store, device(ALICE, "A"), PutFallbackKey(ALICE, "GONE", "x", "1", b"one"))
        assert await reader.fallback_key(ALICE, "GONE", "x") is None
        await put(
            store, PutFallbackKey(ALICE, "A", "x", "1", b"one"), PutFallbackKey(ALICE, "A", "y", "2", b"two")
        )
        assert await reader.key_counts(ALICE, "A") == KeyCounts({}, ["x", "y"])
        await put(store, UseFallbackKey(ALICE, "A", "x"))
        assert await reader.fallback_key(ALICE, "A", "x") == FallbackKeyRow("1", b"one", True)
        assert await reader.key_counts(ALICE, "A") == KeyCounts({}, ["y"])
        await put(store, PutFallbackKey(ALICE, "A", "x", "3", b"three"))
        assert await reader.fallback_key(ALICE, "A", "x") == FallbackKeyRow("3", b"three", False)
        assert await reader.fallback_key(ALICE, "A", "z") is None

    on_store(tmp_path, scenario)


def test_messages_wait_in_order_until_they_are_acknowledged(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        reader = store.encryption
        await put(store, message("A", 2, 1), message("A", 1, 0), message("A", 2, 0), message("B", 2, 2))
        rows = [ToDeviceRow(1, b"1.0"), ToDeviceRow(2, b"2.0"), ToDeviceRow(2, b"2.1")]
        assert await reader.waiting(ALICE, "A", 0, 9, 10) == rows
        assert await reader.waiting(ALICE, "A", 1, 9, 1) == rows[1:2]
        assert await reader.waiting(ALICE, "A", 0, 1, 10) == rows[:1]
        assert await reader.devices_waited_for(ALICE) == {"A": (1, 2), "B": (2, 2)}
        await put(store, AcknowledgeToDeviceMessages(ALICE, "A", 1))
        assert await reader.waiting(ALICE, "A", 0, 9, 10) == rows[1:]
        await put(store, AcknowledgeToDeviceMessages(ALICE, "A", 2))
        assert await reader.devices_waited_for(ALICE) == {"B": (2, 2)}

    on_store(tmp_path, scenario)


def test_transactions_are_forgotten_by_their_age(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        reader = store.encryption
        await put(
            store, NoteToDeviceTransaction(ALICE, "A", "1", 10), NoteToDeviceTransaction(ALICE, "A", "2", 20)
        )
        assert await reader.is_sent(ALICE, "A", "1")
        assert not await reader.is_sent(ALICE, "B", "1")
        await put(store, ForgetToDeviceTransactions(20))
        assert not await reader.is_sent(ALICE, "A", "1")
        assert await reader.is_sent(ALICE, "A", "2")

    on_store(tmp_path, scenario)


def test_everything_goes_with_the_device_even_what_came_in_the_same_commit(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        reader = store.encryption
        await put(
            store,
            device(ALICE, "A"),
            PutDeviceKeys(ALICE, "A", b"{}"),
            NewOneTimeKey(ALICE, "A", "x", "1", b"k"),
            PutFallbackKey(ALICE, "A", "x", "1", b"k"),
            NoteToDeviceTransaction(ALICE, "A", "1", 10),
            message("A", 1, 0),
            DeleteDevice(ALICE, "A"),
        )
        assert await reader.keys_of_device(ALICE, "A") is None
        assert await reader.key_counts(ALICE, "A") == KeyCounts({}, [])
        assert await reader.devices_waited_for(ALICE) == {}
        assert not await reader.is_sent(ALICE, "A", "1")
        assert await store.devices.ids_of([ALICE]) == {}

    on_store(tmp_path, scenario)


def test_what_waits_is_counted_and_the_latest_can_be_kept(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        reader = store.encryption
        assert await reader.waiting_counts([ALICE, BOB]) == []
        await put(store, *(message("A", position, 0) for position in range(1, 5)), message("B", 5, 0))
        await put(store, message("A", 6, 0), message("A", 6, 1))
        counts = {
            row.device_id: (row.messages, row.size) for row in await reader.waiting_counts([ALICE, BOB])
        }
        assert counts == {"A": (6, 18), "B": (1, 3)}
        await put(store, message("A", 7, 0), DropOldToDeviceMessages(ALICE, "A", 4))
        assert [row.position for row in await reader.waiting(ALICE, "A", 0, 9, 9)] == [4, 6, 6, 7]
        # Messages of one position stay or go together.
        await put(store, DropOldToDeviceMessages(ALICE, "A", 2))
        assert [row.position for row in await reader.waiting(ALICE, "A", 0, 9, 9)] == [6, 6, 7]
        await put(store, DropOldToDeviceMessages(ALICE, "A", 9), DropOldToDeviceMessages(BOB, "A", 1))
        assert len(await reader.waiting(ALICE, "A", 0, 9, 9)) == 3
        assert len(await reader.waiting(ALICE, "B", 0, 9, 9)) == 1

    on_store(tmp_path, scenario)
