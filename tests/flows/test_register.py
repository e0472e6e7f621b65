"""Registering: who may, under which name, and what comes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hamrasan.accounts.user_interactive import InteractionNeeded
from hamrasan.flows.identity import Hooks
from hamrasan.flows.open_session import WantedDevice
from hamrasan.flows.register import Registered, WantedAccount
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.accounts import AccountCreated
from tests.identities import ADDRESS, ALICE, DEFAULTS, PASSWORD, World, in_world

DUMMY = {"type": "m.login.dummy"}
CLOSED = replace(DEFAULTS, registration="closed")
BY_TOKEN = replace(DEFAULTS, registration="token")
HERE = WantedDevice()


async def register(
    world: World, username: str | None = "alice", auth: Any = DUMMY, **wanted: Any
) -> Registered:
    account = WantedAccount(username, wanted.pop("password", PASSWORD), wanted.pop("device", HERE), **wanted)
    return await world.identity.register.register(account, auth, ADDRESS)


async def errcode_of(world: World, username: str | None, auth: Any = DUMMY, **wanted: Any) -> str:
    with pytest.raises(MatrixError) as caught:
        await register(world, username, auth, **wanted)
    return caught.value.errcode


def test_an_account_is_made_and_logged_in(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        made = await register(world, device=WantedDevice("PHONE", "Phone"))
        assert (made.user_id, made.session is not None) == (ALICE, True)
        assert made.session is not None
        requester = await world.who(made.session)
        assert (requester.user_id, requester.device_id, requester.is_admin) == (ALICE, "PHONE", False)
        assert AccountCreated(ALICE) in world.feed
        await world.identity.login.with_password("alice", PASSWORD, HERE, ADDRESS)

    in_world(tmp_path, scenario)


def test_nothing_is_made_before_a_flow_is_completed(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(InteractionNeeded) as caught:
            await register(world, auth=None)
        body = caught.value.body()
        assert body["flows"] == [{"stages": ["m.login.dummy"]}]
        assert await world.identity.accounts.find(ALICE) is None
        await register(world, auth={**DUMMY, "session": body["session"]})
        assert await world.identity.accounts.find(ALICE) is not None

    in_world(tmp_path, scenario)


def test_a_client_may_ask_for_the_flows_first(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(InteractionNeeded):
            await register(world, None, None, password=None)

    in_world(tmp_path, scenario)


def test_without_a_name_one_is_drawn(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        first, second = await register(world, None), await register(world, None)
        assert first.user_id != second.user_id
        assert first.user_id.endswith(":example.org")

    in_world(tmp_path, scenario)


@pytest.mark.parametrize(
    ("username", "localpart"),
    [("Alice", "alice"), (" alice ", "alice"), ("ali۱۲", "ali12"), ("a/b+c", "a/b+c")],
)
def test_a_name_is_mapped_to_the_grammar(tmp_path: Path, username: str, localpart: str) -> None:
    async def scenario(world: World) -> None:
        assert (await register(world, username)).user_id == f"@{localpart}:example.org"

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("username", ["", "علی", "a b", "@alice:example.org", "a:b", "x" * 250, "a\0"])
def test_names_outside_the_grammar_are_refused(tmp_path: Path, username: str) -> None:
    async def scenario(world: World) -> None:
        assert await errcode_of(world, username) == "M_INVALID_USERNAME"
        assert await errcode_of(world, username, None) == "M_INVALID_USERNAME"
        assert await world.identity.accounts.page("", 10) == []

    in_world(tmp_path, scenario)


def test_a_taken_name_is_refused_before_anything_is_asked_for(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        for auth in (None, DUMMY):
            assert await errcode_of(world, "alice", auth) == "M_USER_IN_USE"
        with pytest.raises(MatrixError) as caught:
            await world.identity.register.check_available("Alice")
        assert caught.value.errcode == "M_USER_IN_USE"
        await world.identity.register.check_available("bob")

    in_world(tmp_path, scenario)


def test_the_name_of_a_deactivated_account_stays_taken(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        await world.identity.deactivate_account.by_administrator(ALICE, erase=True)
        assert await errcode_of(world, "alice") == "M_USER_IN_USE"

    in_world(tmp_path, scenario)


def test_of_two_who_want_a_name_one_gets_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        tries = [register(world, password=f"{PASSWORD} {number}") for number in range(4)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        made = [number for number, result in enumerate(results) if isinstance(result, Registered)]
        refused = [result.errcode for result in results if isinstance(result, MatrixError)]
        assert (len(made), refused) == (1, ["M_USER_IN_USE"] * 3)
        await world.identity.login.with_password("alice", f"{PASSWORD} {made[0]}", HERE, ADDRESS)

    in_world(tmp_path, scenario)


def test_a_reserved_name_is_refused(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert await errcode_of(world, "irc_bob") == "M_EXCLUSIVE"
        await register(world, "alice")

    hooks = Hooks(is_exclusive=lambda user_id: user_id.startswith("@irc_"))
    in_world(tmp_path, scenario, hooks=hooks)


@pytest.mark.parametrize(
    ("wanted", "errcode"),
    [
        ({"password": None}, "M_MISSING_PARAM"),
        ({"password": "short"}, "M_WEAK_PASSWORD"),
        ({"device": WantedDevice("")}, "M_INVALID_PARAM"),
        ({"device": WantedDevice(None, "x" * 300)}, "M_INVALID_PARAM"),
    ],
)
def test_bad_parameters_make_no_account(tmp_path: Path, wanted: dict[str, Any], errcode: str) -> None:
    async def scenario(world: World) -> None:
        assert await errcode_of(world, "alice", **wanted) == errcode
        assert await world.identity.accounts.find(ALICE) is None

    in_world(tmp_path, scenario)


def test_login_can_be_inhibited(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        made = await register(world, inhibit_login=True)
        assert made.answer() == {"user_id": ALICE}
        assert await world.identity.devices.of_user(ALICE) == []

    in_world(tmp_path, scenario)


def test_a_repeated_request_logs_in_on_the_same_device(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(InteractionNeeded) as caught:
            await register(world, auth=None)
        auth = {**DUMMY, "session": caught.value.body()["session"]}
        lost = await register(world, auth=auth)
        again = await register(world, auth=auth)
        assert lost.session is not None
        assert again.session is not None
        assert again.session.device_id == lost.session.device_id
        assert (await world.who(again.session)).user_id == ALICE
        with pytest.raises(MatrixError):
            await world.who(lost.session)
        assert len(await world.identity.devices.of_user(ALICE)) == 1

    in_world(tmp_path, scenario)


def test_a_repeated_request_needs_the_password_of_the_first(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(InteractionNeeded) as caught:
            await register(world, auth=None)
        auth = {**DUMMY, "session": caught.value.body()["session"]}
        await register(world, auth=auth)
        assert await errcode_of(world, "alice", auth, password="another password") == "M_FORBIDDEN"

    in_world(tmp_path, scenario)


def test_nobody_registers_where_registration_is_closed(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert await errcode_of(world, "alice") == "M_FORBIDDEN"
        assert await errcode_of(world, "alice", None) == "M_FORBIDDEN"
        for refused in (
            world.identity.register.check_available("alice"),
            world.identity.register.is_token_valid("any"),
        ):
            with pytest.raises(MatrixError) as caught:
                await refused
            assert caught.value.errcode == "M_FORBIDDEN"

    in_world(tmp_path, scenario, settings=CLOSED)


def test_with_a_token_as_many_register_as_it_allows(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        tokens = world.identity.registration_tokens
        await tokens.create("invitation", 2, None)
        auth = {"type": "m.login.registration_token", "token": "invitation"}
        await register(world, "alice", auth)
        assert ((await tokens.find("invitation")).completed, tokens.pending("invitation")) == (1, 0)
        await register(world, "bob", auth)
        assert not await world.identity.register.is_token_valid("invitation")
        with pytest.raises(InteractionNeeded) as caught:
            await register(world, "carol", auth)
        assert caught.value.body()["errcode"] == "M_UNAUTHORIZED"
        assert await world.identity.accounts.find("@carol:example.org") is None

    in_world(tmp_path, scenario, settings=BY_TOKEN)


def test_a_failed_registration_keeps_its_use_of_the_token(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        tokens = world.identity.registration_tokens
        await tokens.create("invitation", 1, None)
        with pytest.raises(InteractionNeeded) as caught:
            await register(world, "alice", None)
        session = caught.value.body()["session"]
        auth = {"type": "m.login.registration_token", "token": "invitation", "session": session}
        # The name is taken between the first and the second request.
        first = await errcode_of(world, "alice", {**auth, "session": session}, password=None)
        assert first == "M_MISSING_PARAM"
        await world.account(ALICE)
        assert await errcode_of(world, "alice", auth) == "M_USER_IN_USE"
        made = await register(world, "alice2", {"session": session})
        assert made.user_id == "@alice2:example.org"
        assert ((await tokens.find("invitation")).completed, tokens.pending("invitation")) == (1, 0)

    in_world(tmp_path, scenario, settings=BY_TOKEN)


def test_dummy_is_not_enough_where_a_token_is_asked_for(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(InteractionNeeded) as caught:
            await register(world, "alice", DUMMY)
        assert caught.value.body()["flows"] == [{"stages": ["m.login.registration_token"]}]
        assert await world.identity.accounts.find(ALICE) is None

    in_world(tmp_path, scenario, settings=BY_TOKEN)
