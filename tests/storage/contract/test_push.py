"""What every store must do with pushers and with what waits for them."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.devices import DeleteDevice, NewDevice
from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.ports.push import (
    ActivatePusher,
    DeletePusher,
    DeletePushersOfOthers,
    DeletePushersOfUser,
    ForgetWaitingPushes,
    NewWaitingPush,
    NotePushed,
    PusherId,
    PusherRow,
    TrimWaitingPushes,
)
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE, BOB = "@alice:example.org", "@bob:example.org"
ROOM = "!room:example.org"


async def put(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch(list(writes)))


def pusher(user_id: str = ALICE, pushkey: str = "key", device_id: str = "PHONE") -> PusherRow:
    return PusherRow(
        user_id, "app", pushkey, "http", "App", "Phone", None, "fa", b"{}", device_id, 7, True, 0, 0
    )


def waiting(position: int, user_id: str = ALICE) -> NewWaitingPush:
    return NewWaitingPush(user_id, position, ROOM, b"{}", 7)


async def put_devices(store: Store) -> None:
    pairs = [(ALICE, "PHONE"), (ALICE, "TABLET"), (BOB, "PHONE")]
    await put(store, *(NewDevice(*pair, None, 1, None, None) for pair in pairs))


async def positions(store: Store, after: int = 0, limit: int = 9, user_id: str = ALICE) -> list[int]:
    return [row.position for row in await store.push.waiting(user_id, after, limit)]


def test_a_pusher_that_is_set_again_stays_where_it_was(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put_devices(store)
        first = pusher()
        await put(store, first, pusher(pushkey="other"), pusher(BOB))
        assert await store.push.pusher(first.id) == first
        await put(store, NotePushed(5, 3, *first.id))
        changed = first._replace(profile_tag="x", device_id="TABLET", activated=False, pushkey_ts=9)
        await put(store, changed)
        assert await store.push.pusher(first.id) == changed._replace(sent_upto=5, badge=3)
        await put(store, ActivatePusher(8, *first.id))
        assert await store.push.pushers(ALICE) == [
            changed._replace(sent_upto=8, badge=3, activated=True),
            pusher(pushkey="other"),
        ]
        assert sorted(await store.push.users_with_pushers()) == [ALICE, BOB]

    on_store(tmp_path, scenario)


def test_pushers_are_deleted_alone_with_those_of_others_with_the_device_or_with_the_user(
    tmp_path: Path,
) -> None:
    async def scenario(store: Store) -> None:
        reader = store.push
        await put_devices(store)
        await put(store, pusher(), pusher(BOB), pusher(pushkey="other", device_id="TABLET"))
        assert await reader.others_with("app", "key", ALICE) == [BOB]
        await put(store, DeletePushersOfOthers("app", "key", ALICE))
        assert await reader.pushers(BOB) == []
        await put(store, waiting(1), DeleteDevice(ALICE, "TABLET"))
        assert [row.pushkey for row in await reader.pushers(ALICE)] == ["key"]
        await put(store, DeletePusher(ALICE, "app", "other"), DeletePusher(ALICE, "app", "key"))
        assert await reader.pusher(PusherId(ALICE, "app", "key")) is None
        await put(store, pusher(), DeletePushersOfUser(ALICE))
        assert await reader.users_with_pushers() == []
        assert await positions(store) == []

    on_store(tmp_path, scenario)


def test_what_waits_is_there_once_in_order_until_it_is_forgotten(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        again = waiting(2)._replace(tweaks=b"changed")
        await put(store, waiting(3), waiting(1), waiting(2), again, waiting(9, BOB))
        assert await store.push.waiting(ALICE, 1, 9) == [waiting(2), waiting(3)]
        assert await positions(store, limit=2) == [2, 3]
        assert await store.push.users_waited_for("", 9) == [ALICE, BOB]
        assert await store.push.users_waited_for(ALICE, 9) == [BOB]
        assert await store.push.users_waited_for("", 1) == [ALICE]

    on_store(tmp_path, scenario)


def test_what_all_pushers_have_passed_is_forgotten(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put_devices(store)
        phone, tablet, inactive = pusher(), pusher(pushkey="tablet"), pusher(pushkey="new")
        await put(store, phone, tablet, inactive._replace(activated=False))
        await put(store, *(waiting(position) for position in range(1, 5)), waiting(1, BOB))
        await put(store, NotePushed(3, 0, *phone.id), ForgetWaitingPushes(ALICE))
        assert await positions(store) == [1, 2, 3, 4]
        await put(store, NotePushed(2, 0, *tablet.id), ForgetWaitingPushes(ALICE))
        assert await positions(store) == [3, 4]
        await put(store, DeletePusher(*phone.id), DeletePusher(*tablet.id), ForgetWaitingPushes(ALICE))
        assert await positions(store) == []
        assert await positions(store, user_id=BOB) == [1]

    on_store(tmp_path, scenario)


def test_trimming_keeps_the_last(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, *(waiting(position) for position in range(1, 8)), waiting(1, BOB))
        await put(store, TrimWaitingPushes(ALICE, 9), TrimWaitingPushes(ALICE, 7))
        assert len(await positions(store)) == 7
        await put(store, TrimWaitingPushes(ALICE, 3))
        assert await positions(store) == [5, 6, 7]
        assert await positions(store, user_id=BOB) == [1]

    on_store(tmp_path, scenario)


def test_a_device_that_is_gone_gets_no_pusher(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, pusher(), pusher(pushkey="of a bridge", device_id=""))
        assert [row.pushkey for row in await store.push.pushers(ALICE)] == ["of a bridge"]

    on_store(tmp_path, scenario)
