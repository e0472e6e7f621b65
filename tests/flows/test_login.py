"""Logging in, and what a login does to the device."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from hamrasan.accounts.login_tokens import LIFETIME_MS
from hamrasan.accounts.passwords import PasswordCost, Passwords
from hamrasan.accounts.throttle import TO_ACCOUNT_FROM_ADDRESS
from hamrasan.accounts.user_interactive import InteractionNeeded
from hamrasan.flows.identity import Hooks
from hamrasan.flows.open_session import OpenedSession, WantedDevice
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.accounts import SetPassword
from hamrasan.storage.ports.journal import Batch
from tests.identities import ADDRESS, ALICE, BOB, DEFAULTS, PASSWORD, World, in_world

HERE = WantedDevice()


async def log_in(world: World, typed: str = "alice", password: str = PASSWORD) -> OpenedSession:
    return await world.identity.login.with_password(typed, password, HERE, ADDRESS)


async def errcode_of(world: World, typed: str, password: str) -> str | None:
    try:
        await log_in(world, typed, password)
    except MatrixError as error:
        return error.errcode
    return None


@pytest.mark.parametrize("typed", ["alice", "@alice:example.org", "Alice", "@ALICE:Example.ORG", " alice"])
def test_a_user_logs_in_by_name_however_it_is_typed(tmp_path: Path, typed: str) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await log_in(world, typed)
        assert session.user_id == ALICE
        requester = await world.who(session)
        assert (requester.user_id, requester.device_id) == (ALICE, session.device_id)

    in_world(tmp_path, scenario)


@pytest.mark.parametrize(
    ("typed", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("bob", PASSWORD),
        ("@alice:elsewhere.org", PASSWORD),
        ("not a name", PASSWORD),
        ("", PASSWORD),
    ],
)
def test_whatever_is_wrong_the_answer_is_the_same(tmp_path: Path, typed: str, password: str) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        with pytest.raises(MatrixError) as caught:
            await log_in(world, typed, password)
        error = caught.value
        assert (error.status, error.errcode) == (403, "M_FORBIDDEN")
        assert error.message == "The user name or the password is wrong."
        assert await world.identity.devices.of_user(ALICE) == []

    in_world(tmp_path, scenario)


def test_a_historical_name_with_capitals_is_found_first(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account("@Alice:example.org")
        await world.account(ALICE)
        assert (await log_in(world, "Alice")).user_id == "@Alice:example.org"
        assert (await log_in(world, "alice")).user_id == ALICE

    in_world(tmp_path, scenario)


def test_an_account_without_a_password_takes_none(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.identity.accounts.create(ALICE, None)
        assert await errcode_of(world, "alice", "") == "M_FORBIDDEN"

    in_world(tmp_path, scenario)


def test_only_the_owner_learns_that_an_account_is_locked(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        await world.identity.accounts.set_locked(ALICE, True)
        assert await errcode_of(world, "alice", PASSWORD) == "M_USER_LOCKED"
        assert await errcode_of(world, "alice", "wrong") == "M_FORBIDDEN"

    in_world(tmp_path, scenario)


def test_too_many_failures_keep_even_the_right_password_out_for_a_while(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        for _ in range(TO_ACCOUNT_FROM_ADDRESS.burst):
            assert await errcode_of(world, "Alice", "wrong") == "M_FORBIDDEN"
        assert await errcode_of(world, "alice", PASSWORD) == "M_LIMIT_EXCEEDED"
        world.clock.advance(TO_ACCOUNT_FROM_ADDRESS.interval_s)
        assert await errcode_of(world, "alice", PASSWORD) is None

    in_world(tmp_path, scenario, settings=replace(DEFAULTS, rate_limits=True))


def test_a_hash_of_another_cost_is_replaced_at_login(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        other = Passwords(PasswordCost(memory_kib=16, passes=1, lanes=1))
        former = await other.hash(PASSWORD)
        other.close()
        await world.store.journal.submit(Batch([SetPassword(former, ALICE)]))
        await log_in(world)
        account = await world.identity.accounts.access(ALICE)
        assert account.password_hash not in (None, former)
        assert await errcode_of(world, "alice", PASSWORD) is None

    in_world(tmp_path, scenario)


def test_logging_in_on_a_known_device_ends_its_former_tokens(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        former = await world.session(device_id="PHONE", display_name="Phone", refreshable=True)
        other = await world.session(device_id="DESK")
        await world.who(former)
        await world.session(device_id="PHONE", display_name="Renamed")
        with pytest.raises(MatrixError) as caught:
            await world.who(former)
        assert caught.value.errcode == "M_UNKNOWN_TOKEN"
        with pytest.raises(MatrixError):
            await world.identity.tokens.refresh(former.tokens.refresh_token or "")
        assert (await world.who(other)).device_id == "DESK"
        assert (await world.identity.devices.access(ALICE, "PHONE")).display_name == "Phone"

    in_world(tmp_path, scenario)


@pytest.mark.parametrize(
    "wanted", [WantedDevice(""), WantedDevice("x" * 256), WantedDevice("A\n"), WantedDevice(None, "x" * 256)]
)
def test_a_device_that_cannot_be_is_refused_before_anything_happens(
    tmp_path: Path, wanted: WantedDevice
) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        token = await world.identity.login_tokens.issue(ALICE)
        for refused in (
            world.identity.login.with_password("alice", PASSWORD, wanted, ADDRESS),
            world.identity.login.with_token(token, wanted, ADDRESS),
        ):
            with pytest.raises(MatrixError) as caught:
                await refused
            assert caught.value.errcode == "M_INVALID_PARAM"
        assert await world.identity.devices.of_user(ALICE) == []
        await world.identity.login.with_token(token, HERE, ADDRESS)

    in_world(tmp_path, scenario)


def test_a_device_cannot_have_the_id_of_a_cross_signing_key(tmp_path: Path) -> None:
    async def is_key(user_id: str, key_id: str) -> bool:
        return (user_id, key_id) == (ALICE, "KEY")

    async def scenario(world: World) -> None:
        await world.account()
        with pytest.raises(MatrixError) as caught:
            await world.session(device_id="KEY")
        assert caught.value.errcode == "M_FORBIDDEN"
        assert (await world.session(device_id="PHONE")).device_id == "PHONE"

    in_world(tmp_path, scenario, hooks=Hooks(is_key_id=is_key))


def test_a_login_token_logs_in_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        token = await world.identity.login_tokens.issue(ALICE)
        session = await world.identity.login.with_token(token, HERE, ADDRESS)
        assert (await world.who(session)).user_id == ALICE
        with pytest.raises(MatrixError) as caught:
            await world.identity.login.with_token(token, HERE, ADDRESS)
        assert (caught.value.status, caught.value.errcode) == (403, "M_FORBIDDEN")

    in_world(tmp_path, scenario)


def test_a_login_token_used_twice_at_once_logs_in_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        token = await world.identity.login_tokens.issue(ALICE)
        tries = [world.identity.login.with_token(token, HERE, ADDRESS) for _ in range(5)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert len([result for result in results if isinstance(result, OpenedSession)]) == 1
        assert len(await world.identity.devices.of_user(ALICE)) == 1

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("late", [False, True])
def test_a_login_token_lives_two_minutes(tmp_path: Path, late: bool) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        token = await world.identity.login_tokens.issue(ALICE)
        world.clock.advance(LIFETIME_MS / 1000 - (0 if late else 1))
        if late:
            with pytest.raises(MatrixError):
                await world.identity.login.with_token(token, HERE, ADDRESS)
        else:
            await world.identity.login.with_token(token, HERE, ADDRESS)

    in_world(tmp_path, scenario)


def test_a_login_token_is_given_after_confirmation_each_time(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        requester = await world.who(await world.session())
        identifier = {"type": "m.id.user", "user": "alice"}
        auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        for _ in range(2):
            with pytest.raises(InteractionNeeded) as caught:
                await world.identity.login.give_token(requester, None, ADDRESS)
            session = caught.value.body()["session"]
            token, lifetime = await world.identity.login.give_token(
                requester, {**auth, "session": session}, ADDRESS
            )
            assert lifetime == LIFETIME_MS
            await world.identity.login.with_token(token, HERE, ADDRESS)
            with pytest.raises(InteractionNeeded):
                await world.identity.login.give_token(requester, {"session": session}, ADDRESS)

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("state", ["locked", "deactivated"])
def test_a_login_token_does_not_open_what_is_closed(tmp_path: Path, state: str) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        await world.account(BOB)
        token = await world.identity.login_tokens.issue(ALICE)
        if state == "locked":
            await world.identity.accounts.set_locked(ALICE, True)
        else:
            await world.identity.deactivate_account.by_administrator(ALICE, erase=False)
        with pytest.raises(MatrixError) as caught:
            await world.identity.login.with_token(token, HERE, ADDRESS)
        assert caught.value.errcode == ("M_USER_LOCKED" if state == "locked" else "M_FORBIDDEN")

    in_world(tmp_path, scenario)
