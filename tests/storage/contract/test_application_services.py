"""What every store must do with transactions for application services, and with the rooms that these list."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.application_services import (
    DeleteServiceTransaction,
    ListNetworkRoom,
    NewServiceTransaction,
    UnlistNetworkRoom,
)
from hamrasan.storage.ports.encryption import NewToDeviceMessage
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.ports.rooms import NewRoom, PublishRoom, PutMembership, RoomRow
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE = "@alice:example.org"


async def put(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch(list(writes)))


def transaction(number: int, service: str = "irc") -> NewServiceTransaction:
    return NewServiceTransaction(service, number, f"txn-{number}", b'{"events":[%d]}' % number)


def test_transactions_wait_in_order_and_for_their_service(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        assert await store.application_services.waiting("irc") == []
        await put(store, transaction(2), transaction(10), transaction(1), transaction(1, "mail"))
        assert await store.application_services.waiting("irc") == [transaction(n) for n in (1, 2, 10)]
        await put(store, DeleteServiceTransaction("irc", 2), DeleteServiceTransaction("mail", 7))
        assert await store.application_services.waiting("irc") == [transaction(n) for n in (1, 10)]
        assert await store.application_services.waiting("mail") == [transaction(1, "mail")]

    on_store(tmp_path, scenario)


def test_devices_for_which_messages_wait(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(
            store,
            NewToDeviceMessage(ALICE, "PHONE", 1, 0, b"{}"),
            NewToDeviceMessage(ALICE, "PHONE", 2, 0, b"{}"),
            NewToDeviceMessage(ALICE, "TABLET", 1, 1, b"{}"),
        )
        devices = await store.application_services.devices_waited_for()
        assert sorted(devices) == [(ALICE, "PHONE"), (ALICE, "TABLET")]

    on_store(tmp_path, scenario)


def test_rooms_of_networks(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        rows = [RoomRow(n, f"!{n}:example.org", "11", ALICE) for n in (1, 2, 3)]
        await put(store, *(NewRoom(*row, position=row.room) for row in rows))
        await put(store, PutMembership(1, ALICE, "join", 1, "$1", ALICE))
        await put(store, ListNetworkRoom("irc", "libera", 1), ListNetworkRoom("irc", "libera", 1))
        await put(
            store, ListNetworkRoom("irc", "oftc", 2), ListNetworkRoom("mail", "libera", 2), PublishRoom(3)
        )
        reader = store.application_services
        assert await reader.network_rooms("irc", "libera") == [(rows[0], 1)]
        assert await reader.network_rooms("irc", "oftc") == [(rows[1], 0)]
        assert await reader.network_rooms("mail", "oftc") == []
        assert sorted(await reader.rooms_of_all_networks()) == [(rows[0], 1), (rows[1], 0), (rows[2], 0)]
        await put(store, UnlistNetworkRoom("irc", "libera", 1), UnlistNetworkRoom("irc", "libera", 3))
        assert await reader.network_rooms("irc", "libera") == []
        assert sorted(await reader.rooms_of_all_networks()) == [(rows[1], 0), (rows[2], 0)]

    on_store(tmp_path, scenario)
