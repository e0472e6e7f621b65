"""The operator's hand on accounts, beside a server on the same data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hamrasan.flows import administer_accounts
from hamrasan.flows.administer_accounts import AdministerAccounts
from hamrasan.flows.identity import IdentityStore, assemble_identity
from hamrasan.flows.open_session import WantedDevice
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.devices import DeviceDeleted
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.two_step import NewRecoveryCode, PutTwoStep
from hamrasan.storage.sqlite.store import open_beside
from tests.identities import ADDRESS, ALICE, BOB, CHEAP, DEFAULTS, PASSWORD, World, in_world
from tests.worlds import SeededEntropy


@asynccontextmanager
async def beside(world: World, data_dir: Path) -> AsyncIterator[AdministerAccounts]:
    """Open the same data as another process does, and let the server notice afterwards."""
    await world.identity.outside_changes.look()
    store = open_beside(data_dir)
    readers = IdentityStore(store.journal, store.accounts, store.tokens, store.devices)
    identity = assemble_identity(readers, DEFAULTS, world.clock, SeededEntropy(2), world.tasks, cost=CHEAP)
    try:
        yield AdministerAccounts(store.journal, identity.accounts)
    finally:
        identity.close()
        await store.close()
    await world.identity.outside_changes.look()


async def can_log_in(world: World, password: str) -> bool:
    try:
        await world.identity.login.with_password("alice", password, WantedDevice(), ADDRESS)
    except MatrixError as error:
        if error.errcode == "M_FORBIDDEN":
            return False
        raise
    return True


async def is_logged_in(world: World, token: str) -> bool:
    try:
        await world.identity.authenticator.authenticate(token)
    except MatrixError as error:
        if error.errcode == "M_UNKNOWN_TOKEN":
            return False
        raise
    return True


async def until_device_is_gone(world: World, device_id: str) -> None:
    while await world.identity.devices.find(ALICE, device_id):
        await world.store.journal.submit(Batch())  # lets the background task go on


def test_an_added_user_can_log_in_at_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with beside(world, tmp_path) as administer:
            assert await administer.add("Alice", PASSWORD, is_admin=True) == ALICE
        assert await can_log_in(world, PASSWORD)
        assert (await world.identity.accounts.access(ALICE)).is_admin

    in_world(tmp_path, scenario)


@pytest.mark.parametrize(
    ("username", "password", "errcode"),
    [
        ("alice", "another password", "M_USER_IN_USE"),
        ("a b", PASSWORD, "M_INVALID_USERNAME"),
        ("bob", "short", "M_WEAK_PASSWORD"),
    ],
)
def test_a_user_that_cannot_be_added(tmp_path: Path, username: str, password: str, errcode: str) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        async with beside(world, tmp_path) as administer:
            with pytest.raises(MatrixError) as caught:
                await administer.add(username, password, is_admin=False)
        assert caught.value.errcode == errcode
        assert [row.user_id for row in await world.identity.accounts.page("", 10)] == [ALICE]
        assert await can_log_in(world, PASSWORD)

    in_world(tmp_path, scenario)


def test_every_account_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administer_accounts, "PAGE", 2)

    async def scenario(world: World) -> None:
        users = [await world.account(f"@user{number}:example.org") for number in range(5)]
        async with beside(world, tmp_path) as administer:
            assert [account.user_id async for account in administer.all()] == users

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("logout_devices", [True, False])
def test_a_new_password_ends_sessions_unless_told_otherwise(tmp_path: Path, logout_devices: bool) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await world.session(device_id="PHONE")
        assert await is_logged_in(world, session.tokens.access_token)
        async with beside(world, tmp_path) as administer:
            who = await administer.set_password("alice", "a new password", logout_devices=logout_devices)
            assert who == ALICE
        assert not await can_log_in(world, PASSWORD)
        assert await can_log_in(world, "a new password")
        assert await is_logged_in(world, session.tokens.access_token) is not logout_devices
        if logout_devices:
            await until_device_is_gone(world, "PHONE")
            assert DeviceDeleted(ALICE, "PHONE") in world.feed

    in_world(tmp_path, scenario)


def test_an_administrator_is_one_at_the_next_request(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await world.session()
        for is_admin in (True, False):
            assert (await world.who(session)).is_admin is not is_admin
            async with beside(world, tmp_path) as administer:
                await administer.set_admin("@alice:example.org", is_admin)
            assert (await world.who(session)).is_admin is is_admin

    in_world(tmp_path, scenario)


def test_a_deactivated_user_is_out_and_the_server_finishes(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        await world.account(BOB)
        session = await world.session(device_id="PHONE")
        async with beside(world, tmp_path) as administer:
            assert await administer.deactivate("alice", erase=True) == ALICE
            with pytest.raises(MatrixError) as caught:
                await administer.find("alice")
            assert caught.value.errcode == "M_NOT_FOUND"
        assert not await is_logged_in(world, session.tokens.access_token)
        assert not await can_log_in(world, PASSWORD)
        await until_device_is_gone(world, "PHONE")
        assert await world.store.accounts.erased([ALICE, BOB]) == {ALICE}

    in_world(tmp_path, scenario)


def test_another_password_turns_two_step_login_off(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        await world.store.journal.submit(
            Batch([PutTwoStep(ALICE, b"sealed", 0, 0), PutTwoStep(BOB, b"x", 0, 0)])
        )
        await world.store.journal.submit(Batch([NewRecoveryCode(ALICE, b"hash")]))
        async with beside(world, tmp_path) as accounts:
            await accounts.set_password("alice", PASSWORD + "!")
        assert await world.store.two_step.two_step(ALICE) is None
        assert not await world.store.two_step.has_recovery_code(ALICE, b"hash")
        assert await world.store.two_step.two_step(BOB) is not None

    in_world(tmp_path, scenario)
