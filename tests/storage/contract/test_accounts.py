"""What every store must do with accounts, devices and tokens."""

from __future__ import annotations

from collections.abc import Callable

from hamrasan.storage.ports.accounts import (
    AnnounceOutsideChange,
    DeactivateAccount,
    FinishDeparture,
    NewAccount,
    RehashPassword,
    SetAdmin,
    SetLocked,
    SetPassword,
    SetSuspended,
)
from hamrasan.storage.ports.devices import (
    ChangeDeviceList,
    DeleteDevice,
    DeviceRow,
    EndDevices,
    NewDevice,
    RenameDevice,
    SeeDevice,
)
from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.tokens import (
    CompleteRegistrationToken,
    DeleteAccessToken,
    DeleteDeviceAccessTokens,
    DeleteDeviceRefreshTokens,
    DeleteExpiredLoginTokens,
    DeleteExpiredOpenIdTokens,
    DeleteLoginToken,
    DeleteRefreshedAccessTokens,
    DeleteRefreshToken,
    DeleteRegistrationToken,
    DeleteUserAccessTokens,
    DeleteUserRefreshTokens,
    NewAccessToken,
    NewLoginToken,
    NewOpenIdToken,
    NewRefreshToken,
    OneUseTokenRow,
    PutRegistrationToken,
    SettleRefreshToken,
)
from hamrasan.storage.sqlite.store import Store
from tests.stores import Scenario

ALICE, BOB = "@alice:example.org", "@bob:example.org"

Run = Callable[[Scenario], None]


async def put(store: Store, *writes: Write) -> None:
    """Commit writes that take no position."""
    await store.journal.submit(Batch(list(writes)))


async def change_device_list(store: Store, user_id: str) -> Position:
    """Note a change of a user's devices and return its position."""
    position = store.journal.next_position
    await store.journal.submit(Batch([ChangeDeviceList(user_id, position)], positions=1))
    return position


def new_account(user_id: str, password_hash: str | None = "hash", *, is_admin: bool = False) -> NewAccount:
    return NewAccount(user_id, password_hash, is_admin, 1_000, None)


def new_device(user_id: str, device_id: str, name: str | None = None) -> NewDevice:
    return NewDevice(user_id, device_id, name, 1_000, 1_000, "192.0.2.1")


def access_token(number: int, user_id: str, device_id: str, refresh_id: int | None = None) -> NewAccessToken:
    return NewAccessToken(number, b"access %d" % number, user_id, device_id, 1_000 + number, None, refresh_id)


def refresh_token(number: int, user_id: str, device_id: str, replaces: int | None = None) -> NewRefreshToken:
    return NewRefreshToken(number, b"refresh %d" % number, user_id, device_id, 1_000, replaces)


def test_an_account_is_kept_as_it_was_made(run: Run) -> None:
    async def scenario(store: Store) -> None:
        assert await store.accounts.account(ALICE) is None
        await put(store, NewAccount(ALICE, "hash", True, 1_234, "bridge"))
        account = await store.accounts.account(ALICE)
        assert account == (ALICE, "hash", True, 1_234, "bridge", False, False, False, False, False)

    run(scenario)


def test_a_taken_user_id_stays_with_whoever_has_it(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, new_account(ALICE, "first"))
        await put(store, new_account(ALICE, "second", is_admin=True))
        account = await store.accounts.account(ALICE)
        assert account is not None
        assert (account.password_hash, account.is_admin) == ("first", False)

    run(scenario)


def test_changes_of_an_account_touch_no_other(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, new_account(ALICE), new_account(BOB))
        await put(
            store,
            SetPassword("new", ALICE),
            SetAdmin(True, ALICE),
            SetLocked(True, ALICE),
            SetSuspended(True, ALICE),
        )
        alice, bob = await store.accounts.account(ALICE), await store.accounts.account(BOB)
        assert alice is not None
        assert bob is not None
        assert (alice.password_hash, alice.is_admin, alice.locked, alice.suspended) == (
            "new",
            True,
            True,
            True,
        )
        assert (bob.password_hash, bob.is_admin, bob.locked, bob.suspended) == ("hash", False, False, False)

    run(scenario)


def test_a_rehash_does_not_bring_back_a_former_password(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, new_account(ALICE, "first"), new_account(BOB, "first"), SetPassword("second", ALICE))
        await put(store, RehashPassword("third", ALICE, "first"), RehashPassword("third", BOB, "first"))
        alice, bob = await store.accounts.account(ALICE), await store.accounts.account(BOB)
        assert alice is not None
        assert bob is not None
        assert (alice.password_hash, bob.password_hash) == ("second", "third")

    run(scenario)


def test_a_deactivated_account_departs_and_keeps_its_name(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, new_account(ALICE, is_admin=True), new_account(BOB))
        await put(store, DeactivateAccount(True, ALICE), DeactivateAccount(False, BOB))
        departing = await store.accounts.departing()
        assert [(row.user_id, row.erased) for row in departing] == [(ALICE, True), (BOB, False)]
        assert all(row.deactivated and row.password_hash is None and not row.is_admin for row in departing)
        assert await store.accounts.erased([ALICE, BOB, "@nobody:example.org"]) == {ALICE}

        await put(store, FinishDeparture(ALICE), SetPassword("new", ALICE), SetAdmin(True, ALICE))
        assert [row.user_id for row in await store.accounts.departing()] == [BOB]
        alice = await store.accounts.account(ALICE)
        assert alice is not None
        assert (alice.deactivated, alice.password_hash, alice.is_admin) == (True, None, False)

    run(scenario)


def test_erasing_is_not_taken_back_by_a_second_deactivation(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, new_account(ALICE), DeactivateAccount(True, ALICE), DeactivateAccount(False, ALICE))
        assert await store.accounts.erased([ALICE]) == {ALICE}

    run(scenario)


def test_accounts_are_listed_in_pages(run: Run) -> None:
    async def scenario(store: Store) -> None:
        users = [f"@user{number}:example.org" for number in range(5)]
        await put(store, *map(new_account, reversed(users)))
        first = [row.user_id for row in await store.accounts.page("", 3)]
        rest = [row.user_id for row in await store.accounts.page(first[-1], 3)]
        assert (first, rest) == (users[:3], users[3:])

    run(scenario)


def test_outside_changes_are_counted(run: Run) -> None:
    async def scenario(store: Store) -> None:
        before = await store.accounts.outside_changes()
        await put(store, AnnounceOutsideChange(), AnnounceOutsideChange())
        assert await store.accounts.outside_changes() == before + 2

    run(scenario)


def test_devices_belong_to_their_user(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(
            store, new_device(ALICE, "PHONE", "Phone"), new_device(ALICE, "DESK"), new_device(BOB, "PHONE")
        )
        await put(
            store, RenameDevice("Old phone", ALICE, "PHONE"), SeeDevice(2_000, "192.0.2.2", ALICE, "DESK")
        )
        assert await store.devices.devices(ALICE) == [
            DeviceRow(ALICE, "DESK", None, 1_000, 2_000, "192.0.2.2"),
            DeviceRow(ALICE, "PHONE", "Old phone", 1_000, 1_000, "192.0.2.1"),
        ]
        await put(store, DeleteDevice(ALICE, "PHONE"))
        assert await store.devices.device(ALICE, "PHONE") is None
        assert await store.devices.device(BOB, "PHONE") is not None

    run(scenario)


def test_a_known_device_keeps_its_name(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, new_device(ALICE, "PHONE", "Phone"))
        await put(store, NewDevice(ALICE, "PHONE", "Another name", 5_000, 5_000, "192.0.2.9"))
        expected = DeviceRow(ALICE, "PHONE", "Phone", 1_000, 5_000, "192.0.2.9")
        assert await store.devices.device(ALICE, "PHONE") == expected

    run(scenario)


def test_devices_that_end_are_found_until_they_are_gone_or_come_back(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(
            store, new_device(ALICE, "A"), new_device(ALICE, "B"), new_device(BOB, "A"), EndDevices(ALICE)
        )
        assert [(row.user_id, row.device_id) for row in await store.devices.ending()] == [
            (ALICE, "A"),
            (ALICE, "B"),
        ]
        await put(store, DeleteDevice(ALICE, "A"), new_device(ALICE, "B"))
        assert await store.devices.ending() == []
        assert [row.device_id for row in await store.devices.devices(ALICE)] == ["B"]

    run(scenario)


def test_the_latest_change_of_each_device_list_is_told(run: Run) -> None:
    async def scenario(store: Store) -> None:
        assert await store.devices.last_list_change(ALICE) == 0
        first = await change_device_list(store, ALICE)
        second = await change_device_list(store, BOB)
        assert await store.devices.list_changes(0) == [(ALICE, first), (BOB, second)]
        third = await change_device_list(store, ALICE)
        assert await store.devices.list_changes(first) == [(BOB, second), (ALICE, third)]
        assert await store.devices.list_changes(third) == []
        assert await store.devices.last_list_change(ALICE) == third

    run(scenario)


def test_an_access_token_says_what_its_account_may_do(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, new_account(ALICE, is_admin=True), access_token(7, ALICE, "PHONE"))
        row = await store.tokens.access_token(b"access 7")
        assert row == (7, ALICE, "PHONE", 1_007, None, None, None, True, False, False)
        assert await store.tokens.access_token(b"another") is None

        await put(store, SetAdmin(False, ALICE), SetLocked(True, ALICE), SetSuspended(True, ALICE))
        row = await store.tokens.access_token(b"access 7")
        assert row is not None
        assert (row.is_admin, row.locked, row.suspended) == (False, True, True)

    run(scenario)


def test_no_token_of_a_deactivated_account_is_found(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(
            store,
            new_account(ALICE),
            access_token(1, ALICE, "PHONE"),
            refresh_token(1, ALICE, "PHONE"),
            NewLoginToken(b"login", ALICE, 9_000),
            NewOpenIdToken(b"openid", ALICE, 9_000),
        )
        await put(store, DeactivateAccount(False, ALICE))
        assert await store.tokens.access_token(b"access 1") is None
        assert await store.tokens.refresh_token(b"refresh 1") is None
        assert await store.tokens.login_token(b"login") is None
        assert await store.tokens.openid_token(b"openid") is None
        assert await store.tokens.access_tokens(ALICE) == []

    run(scenario)


def test_access_tokens_end_alone_by_device_or_by_user(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async def left() -> list[int]:
            return [row.token_id for user in (ALICE, BOB) for row in await store.tokens.access_tokens(user)]

        devices = [(ALICE, "A"), (ALICE, "A"), (ALICE, "B"), (ALICE, "C"), (BOB, "A")]
        tokens = [access_token(number, *device) for number, device in enumerate(devices)]
        await put(store, new_account(ALICE), new_account(BOB), *tokens)
        assert await left() == [0, 1, 2, 3, 4]
        await put(store, DeleteAccessToken(0))
        assert await left() == [1, 2, 3, 4]
        await put(store, DeleteDeviceAccessTokens(ALICE, "B"))
        assert await left() == [1, 3, 4]
        await put(store, DeleteUserAccessTokens(ALICE))
        assert await left() == [4]

    run(scenario)


def test_a_refresh_token_knows_what_it_replaces_until_it_is_settled(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(
            store,
            new_account(ALICE),
            refresh_token(1, ALICE, "PHONE"),
            access_token(1, ALICE, "PHONE", refresh_id=1),
            refresh_token(2, ALICE, "PHONE", replaces=1),
            access_token(2, ALICE, "PHONE", refresh_id=2),
        )
        first = await store.tokens.refresh_token(b"refresh 1")
        second = await store.tokens.refresh_token(b"refresh 2")
        assert first == (1, ALICE, "PHONE", None, 2, False)
        assert second == (2, ALICE, "PHONE", 1, None, False)
        fresh = await store.tokens.access_token(b"access 2")
        assert fresh is not None
        assert (fresh.refresh_id, fresh.replaces) == (2, 1)

        await put(store, SettleRefreshToken(2), DeleteRefreshToken(1), DeleteRefreshedAccessTokens(1))
        assert await store.tokens.refresh_token(b"refresh 1") is None
        assert await store.tokens.access_token(b"access 1") is None
        assert await store.tokens.refresh_token(b"refresh 2") == (2, ALICE, "PHONE", None, None, False)
        fresh = await store.tokens.access_token(b"access 2")
        assert fresh is not None
        assert fresh.replaces is None

    run(scenario)


def test_refresh_tokens_end_by_device_or_by_user(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async def left() -> list[int]:
            found = [await store.tokens.refresh_token(b"refresh %d" % number) for number in range(4)]
            return [row.refresh_id for row in found if row]

        devices = [(ALICE, "A"), (ALICE, "B"), (ALICE, "C"), (BOB, "A")]
        tokens = [refresh_token(number, *device) for number, device in enumerate(devices)]
        await put(store, new_account(ALICE), new_account(BOB), *tokens)
        await put(store, DeleteDeviceRefreshTokens(ALICE, "A"))
        assert await left() == [1, 2, 3]
        await put(store, DeleteUserRefreshTokens(ALICE))
        assert await left() == [3]

    run(scenario)


def test_login_and_openid_tokens_are_forgotten_when_they_end(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(store, new_account(ALICE))
        for name, expires in ((b"early", 100), (b"late", 200)):
            await put(store, NewLoginToken(name, ALICE, expires), NewOpenIdToken(name, ALICE, expires))
        await put(store, DeleteExpiredLoginTokens(150), DeleteExpiredOpenIdTokens(150))
        for read in (store.tokens.login_token, store.tokens.openid_token):
            assert await read(b"early") is None
            assert await read(b"late") == OneUseTokenRow(ALICE, 200)
        await put(store, DeleteLoginToken(b"late"))
        assert await store.tokens.login_token(b"late") is None
        assert await store.tokens.openid_token(b"late") is not None

    run(scenario)


def test_a_registration_token_counts_its_uses(run: Run) -> None:
    async def scenario(store: Store) -> None:
        await put(
            store, PutRegistrationToken("b", 2, 0, 9_000, 1), PutRegistrationToken("a", None, 0, None, 2)
        )
        await put(store, CompleteRegistrationToken("b"), CompleteRegistrationToken("nothing"))
        assert await store.tokens.registration_token("b") == ("b", 2, 1, 9_000, 1)
        await put(store, PutRegistrationToken("b", 5, 0, None, 3))
        assert await store.tokens.registration_tokens() == [("b", 5, 1, None, 1), ("a", None, 0, None, 2)]
        await put(store, DeleteRegistrationToken("b"))
        assert await store.tokens.registration_token("b") is None

    run(scenario)
