"""What every store must do with account data, profiles, receipts and filters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.user_data import (
    GLOBAL,
    READ,
    READ_PRIVATE,
    UNTHREADED,
    AccountDataRow,
    DeleteProfileField,
    EraseAccountData,
    EraseFilters,
    EraseProfile,
    EraseReceipts,
    EraseRoomReceipts,
    PutAccountData,
    PutFilter,
    PutProfileField,
    PutReceipt,
    ReceiptRow,
)
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario, on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"
ROOM = "!room:example.org"


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Return what runs a scenario on an empty store."""
    return lambda scenario: on_store(tmp_path, scenario)


async def put(store: Store, *writes: Write) -> None:
    """Commit writes that take no position."""
    await store.journal.submit(Batch(list(writes)))


async def put_account_data(store: Store, user_id: str, room_id: str, type: str, content: bytes) -> Position:
    """Set account data and return the position of the change."""
    position = store.journal.next_position
    await store.journal.submit(
        Batch([PutAccountData(user_id, room_id, type, content, position)], positions=1)
    )
    return position


async def put_receipt(
    store: Store, room: int, user_id: str, event_id: str, *, type: str = READ, thread_id: str = UNTHREADED
) -> ReceiptRow:
    """Move a receipt and return the row that was written."""
    position = store.journal.next_position
    receipt = PutReceipt(room, user_id, type, thread_id, event_id, 0, 1_700_000_000_000, position)
    await store.journal.submit(Batch([receipt], positions=1))
    return ReceiptRow._make(receipt)


def test_account_data_is_kept_by_user_room_and_type(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await put_account_data(store, ALICE, GLOBAL, "m.direct", b'{"a":1}')
        await put_account_data(store, ALICE, ROOM, "m.direct", b'{"a":2}')
        await put_account_data(store, BOB, GLOBAL, "m.direct", b'{"a":3}')

        assert await store.account_data.get(ALICE, GLOBAL, "m.direct") == b'{"a":1}'
        assert await store.account_data.get(ALICE, ROOM, "m.direct") == b'{"a":2}'
        assert await store.account_data.get(BOB, GLOBAL, "m.direct") == b'{"a":3}'
        assert await store.account_data.get(BOB, ROOM, "m.direct") is None
        assert await store.account_data.get(ALICE, GLOBAL, "m.other") is None

    run(scenario)


def test_account_data_set_again_replaces_content_and_position(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        first = await put_account_data(store, ALICE, GLOBAL, "m.direct", b"{}")
        second = await put_account_data(store, ALICE, GLOBAL, "m.direct", b'{"b":[]}')

        assert second == first + 1
        assert await store.account_data.all_of(ALICE) == [
            AccountDataRow(GLOBAL, "m.direct", b'{"b":[]}', second)
        ]

    run(scenario)


def test_changes_of_account_data_lie_after_and_up_to_a_position(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        first = await put_account_data(store, ALICE, GLOBAL, "a", b"{}")
        second = await put_account_data(store, ALICE, ROOM, "b", b"{}")
        await put_account_data(store, BOB, ROOM, "b", b"{}")
        last = await put_account_data(store, ALICE, ROOM, "c", b"{}")

        reader = store.account_data
        assert [row.type for row in await reader.changed_since(ALICE, 0, last)] == ["a", "b", "c"]
        assert [row.type for row in await reader.changed_since(ALICE, first, last)] == ["b", "c"]
        assert [row.type for row in await reader.changed_since(ALICE, first, second)] == ["b"]
        assert await reader.changed_since(ALICE, last, last + 5) == []
        assert [row.type for row in await reader.of_room(ALICE, ROOM)] == ["b", "c"]
        assert [row.type for row in await reader.of_room(ALICE, GLOBAL)] == ["a"]

    run(scenario)


def test_many_changes_of_account_data_come_completely(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        start = store.journal.next_position
        types = [f"type{number:04}" for number in range(350)]
        writes: list[Write] = [
            PutAccountData(ALICE, GLOBAL, type, b"{}", start + offset) for offset, type in enumerate(types)
        ]
        await store.journal.submit(Batch(writes, positions=len(writes)))

        rows = await store.account_data.changed_since(ALICE, 0, store.journal.durable)
        assert [row.type for row in rows] == types

    run(scenario)


def test_bytes_of_account_data_counts_contents_and_names(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        assert await store.account_data.bytes_of(ALICE) == 0
        await put_account_data(store, ALICE, GLOBAL, "type", b'{"k":1}')
        await put_account_data(store, ALICE, "!r", "t", b"{}")
        assert await store.account_data.bytes_of(ALICE) == len("type") + 7 + len("!rt") + 2

    run(scenario)


def test_profile_fields_are_set_replaced_and_deleted(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        assert await store.profiles.of(ALICE) == {}
        await put(
            store, PutProfileField(ALICE, "displayname", b'"Alice"'), PutProfileField(ALICE, "m.tz", b'"UTC"')
        )
        await put(store, PutProfileField(BOB, "displayname", b'"Bob"'))
        await put(store, PutProfileField(ALICE, "displayname", b'"Alice M."'))

        assert await store.profiles.of(ALICE) == {"displayname": b'"Alice M."', "m.tz": b'"UTC"'}
        assert await store.profiles.field(ALICE, "displayname") == b'"Alice M."'
        await put(store, DeleteProfileField(ALICE, "m.tz"))
        assert await store.profiles.field(ALICE, "m.tz") is None
        assert await store.profiles.of(BOB) == {"displayname": b'"Bob"'}

    run(scenario)


@pytest.mark.parametrize("others", [0, 1_200])
def test_names_of_many_users_leave_other_fields_out(run: Callable[[Scenario], None], others: int) -> None:
    async def scenario(store: Store) -> None:
        await put(
            store,
            PutProfileField(ALICE, "displayname", b'"Alice"'),
            PutProfileField(ALICE, "avatar_url", b'"mxc://example.org/a"'),
            PutProfileField(ALICE, "m.tz", b'"UTC"'),
            PutProfileField(BOB, "m.tz", b'"UTC"'),
        )
        user_ids = [BOB, *(f"@user{number}:example.org" for number in range(others)), ALICE]

        names = await store.profiles.names(user_ids)
        assert names == {ALICE: {"displayname": b'"Alice"', "avatar_url": b'"mxc://example.org/a"'}}

    run(scenario)


def test_a_receipt_replaces_only_the_one_of_its_type_and_thread(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await put_receipt(store, 1, ALICE, "$a")
        in_thread = await put_receipt(store, 1, ALICE, "$b", thread_id="main")
        private = await put_receipt(store, 1, ALICE, "$c", type=READ_PRIVATE)
        moved = await put_receipt(store, 1, ALICE, "$d")

        assert await store.receipts.of_user_in_room(ALICE, 1) == [in_thread, private, moved]

    run(scenario)


def test_receipts_of_a_user_are_those_of_all_rooms(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        one = await put_receipt(store, 1, ALICE, "$a")
        two = await put_receipt(store, 2, ALICE, "$b")
        await put_receipt(store, 2, BOB, "$b")

        assert await store.receipts.of_user(ALICE) == [one, two]
        assert await store.receipts.of_user_in_room(ALICE, 2) == [two]
        assert await store.receipts.of_user_in_room(ALICE, 3) == []

    run(scenario)


def test_private_receipts_are_shown_to_their_user_only(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        public = await put_receipt(store, 1, ALICE, "$a")
        private = await put_receipt(store, 1, ALICE, "$b", type=READ_PRIVATE)
        upto = store.journal.durable

        assert await store.receipts.of_room(1, 0, upto, reader=BOB) == [public]
        assert await store.receipts.of_room(1, 0, upto, reader=ALICE) == [public, private]

    run(scenario)


def test_receipts_of_a_room_lie_after_and_up_to_a_position(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        first = await put_receipt(store, 1, ALICE, "$a")
        second = await put_receipt(store, 1, BOB, "$a")
        await put_receipt(store, 2, BOB, "$a")
        moved = await put_receipt(store, 1, ALICE, "$b")

        reader = store.receipts
        assert await reader.of_room(1, 0, moved.position, BOB) == [second, moved]
        assert await reader.of_room(1, first.position, second.position, BOB) == [second]
        assert await reader.of_room(1, second.position, moved.position, BOB) == [moved]
        assert await reader.of_room(1, moved.position, moved.position, BOB) == []

    run(scenario)


def test_receipts_of_a_large_room_come_completely(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        start = store.journal.next_position
        receipts = [
            PutReceipt(1, f"@user{number}:example.org", READ, UNTHREADED, "$a", 0, 1, start + number)
            for number in range(250)
        ]
        await store.journal.submit(Batch([*receipts], positions=len(receipts)))

        rows = await store.receipts.of_room(1, 0, store.journal.durable, ALICE)
        assert rows == [ReceiptRow._make(receipt) for receipt in receipts]

    run(scenario)


def test_a_filter_is_kept_for_its_user_once(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await put(store, PutFilter(ALICE, "f1", b'{"room":{}}'))
        await put(store, PutFilter(ALICE, "f1", b'{"room":{}}'))

        assert await store.filters.get(ALICE, "f1") == b'{"room":{}}'
        assert await store.filters.get(BOB, "f1") is None
        assert await store.filters.count(ALICE) == 1
        assert await store.filters.count(BOB) == 0

    run(scenario)


def test_erasing_a_user_leaves_nothing_of_them_and_all_of_others(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        for user_id in (ALICE, BOB):
            await put_account_data(store, user_id, ROOM, "m.tag", b"{}")
            await put_receipt(store, 1, user_id, "$a")
            await put(store, PutProfileField(user_id, "displayname", b'"N"'), PutFilter(user_id, "f", b"{}"))

        await put(
            store, EraseAccountData(ALICE), EraseProfile(ALICE), EraseReceipts(ALICE), EraseFilters(ALICE)
        )

        assert await store.account_data.all_of(ALICE) == []
        assert await store.profiles.of(ALICE) == {}
        assert await store.receipts.of_user(ALICE) == []
        assert await store.filters.count(ALICE) == 0
        assert len(await store.account_data.all_of(BOB)) == 1
        assert await store.profiles.of(BOB) == {"displayname": b'"N"'}
        assert len(await store.receipts.of_user(BOB)) == 1
        assert await store.filters.count(BOB) == 1

    run(scenario)


def test_deleting_everything_leaves_nothing(run: Callable[[Scenario], None]) -> None:
    async def scenario(store: Store) -> None:
        await put_account_data(store, ALICE, GLOBAL, "m.direct", b"{}")
        await put_receipt(store, 1, ALICE, "$a", type=READ_PRIVATE)
        await put_receipt(store, 1, BOB, "$a")
        await put(store, PutProfileField(ALICE, "m.tz", b'"UTC"'), PutFilter(ALICE, "f", b"{}"))

        await put(
            store, EraseRoomReceipts(1), EraseAccountData(ALICE), EraseProfile(ALICE), EraseFilters(ALICE)
        )

        assert await store.receipts.of_room(1, 0, store.journal.durable, ALICE) == []
        for table in ("account_data", "profile_fields", "receipts", "filters"):
            assert store.database.rows(f"SELECT * FROM {table}") == []

    run(scenario)
