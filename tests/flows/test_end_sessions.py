"""Ending sessions, changing passwords, ending accounts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hamrasan.accounts.requester import Requester
from hamrasan.accounts.user_interactive import InteractionNeeded
from hamrasan.flows.deactivate_account import ending
from hamrasan.flows.open_session import WantedDevice
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.accounts import AccountDeactivated, AccountRow, AnnounceOutsideChange
from hamrasan.storage.ports.devices import DeviceChanged, DeviceDeleted
from hamrasan.storage.ports.journal import Batch
from tests.identities import ADDRESS, ALICE, BOB, PASSWORD, World, in_world

AUTH = {
    "type": "m.login.password",
    "identifier": {"type": "m.id.user", "user": "alice"},
    "password": PASSWORD,
}

Action = Callable[[World, Requester, Any], Awaitable[None]]


async def delete(world: World, requester: Requester, auth: Any) -> None:
    await world.identity.end_sessions.delete(requester, ["DESK"], auth, ADDRESS)


async def change_password(world: World, requester: Requester, auth: Any) -> None:
    await world.identity.change_password.change(
        requester, "a new password", logout_devices=True, auth=auth, address=ADDRESS
    )


async def deactivate(world: World, requester: Requester, auth: Any) -> None:
    await world.identity.deactivate_account.by_user(requester, erase=False, auth=auth, address=ADDRESS)


ACTIONS = [delete, change_password, deactivate]


async def devices(world: World, user_id: str = ALICE) -> list[str]:
    return [device.device_id for device in await world.identity.devices.of_user(user_id)]


async def at_phone(world: World) -> Requester:
    """Make alice with a phone and a desk, and return her at the phone."""
    await world.account()
    await world.session(device_id="DESK")
    return await world.who(await world.session(device_id="PHONE"))


async def departed(world: World) -> None:
    """Wait until every deactivation is finished."""
    await world.identity.deactivate_account.resume()
    while await world.store.accounts.departing():
        await world.store.journal.submit(Batch())  # lets the background task go on


def test_logging_out_takes_the_device_and_what_hangs_on_it_hears(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        requester = await at_phone(world)
        position = world.store.journal.next_position
        await world.identity.end_sessions.log_out(requester)
        assert await devices(world) == ["DESK"]
        assert DeviceDeleted(ALICE, "PHONE") in world.feed
        assert DeviceChanged(ALICE, position) in world.feed
        assert await world.store.devices.list_changes(position - 1) == [(ALICE, position)]
        assert [row.device_id for row in await world.identity.tokens.of_user(ALICE)] == ["DESK"]

    in_world(tmp_path, scenario)


def test_logging_out_everywhere_leaves_others_alone(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await at_phone(world)
        await world.account(BOB)
        await world.session(BOB, device_id="PHONE")
        await world.identity.end_sessions.end_all(ALICE)
        assert (await devices(world), await devices(world, BOB)) == ([], ["PHONE"])
        assert await world.identity.tokens.of_user(ALICE) == []

    in_world(tmp_path, scenario)


def test_ending_what_is_not_there_is_no_change(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await at_phone(world)
        position = world.store.journal.next_position
        await world.identity.end_sessions.end(ALICE, ["NOTHING"])
        assert world.store.journal.next_position == position

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("action", ACTIONS)
def test_what_a_thief_must_not_do_needs_the_password(tmp_path: Path, action: Action) -> None:
    async def scenario(world: World) -> None:
        requester = await at_phone(world)
        with pytest.raises(InteractionNeeded) as caught:
            await action(world, requester, None)
        body = caught.value.body()
        assert body["flows"] == [{"stages": ["m.login.password"]}]
        with pytest.raises(InteractionNeeded) as caught:
            await action(world, requester, {**AUTH, "password": "wrong", "session": body["session"]})
        assert caught.value.body()["errcode"] == "M_FORBIDDEN"
        assert await devices(world) == ["DESK", "PHONE"]
        await world.identity.login.with_password("alice", PASSWORD, WantedDevice("PHONE"), ADDRESS)
        await action(world, requester, {**AUTH, "session": body["session"]})

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"identifier": {"type": "m.id.user", "user": "bob"}}, "M_FORBIDDEN"),
        ({"identifier": {"type": "m.id.thirdparty", "medium": "email", "address": "a@b.c"}}, "M_FORBIDDEN"),
        ({"password": None}, "M_MISSING_PARAM"),
        ({"password": 7}, "M_BAD_JSON"),
        ({"identifier": None}, "M_MISSING_PARAM"),
    ],
)
def test_somebody_else_cannot_confirm(
    tmp_path: Path, action: Action, change: dict[str, Any], errcode: str
) -> None:
    async def scenario(world: World) -> None:
        requester = await at_phone(world)
        await world.account(BOB)
        with pytest.raises(MatrixError) as caught:
            await action(world, requester, {**AUTH, **change})
        assert (caught.value.errcode, isinstance(caught.value, InteractionNeeded)) == (errcode, False)
        assert await devices(world) == ["DESK", "PHONE"]

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("action", ACTIONS)
def test_without_a_password_there_is_nothing_to_confirm_with(tmp_path: Path, action: Action) -> None:
    async def scenario(world: World) -> None:
        await world.identity.accounts.create(ALICE, None)
        requester = await world.who(await world.session(device_id="PHONE"))
        with pytest.raises(MatrixError) as caught:
            await action(world, requester, AUTH)
        assert caught.value.errcode == "M_FORBIDDEN"

    in_world(tmp_path, scenario)


def test_a_confirmation_is_for_the_devices_it_was_asked_for(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        requester = await at_phone(world)
        delete = world.identity.end_sessions.delete
        with pytest.raises(InteractionNeeded) as caught:
            await delete(requester, ["DESK"], None, ADDRESS)
        auth = {**AUTH, "session": caught.value.body()["session"]}
        with pytest.raises(MatrixError) as refused:
            await delete(requester, ["PHONE"], auth, ADDRESS)
        assert refused.value.errcode == "M_FORBIDDEN"
        assert await devices(world) == ["DESK", "PHONE"]
        await delete(requester, ["DESK", "DESK", "GONE"], AUTH, ADDRESS)
        assert await devices(world) == ["PHONE"]

    in_world(tmp_path, scenario)


@pytest.mark.parametrize(("logout_devices", "left"), [(True, ["PHONE"]), (False, ["DESK", "PHONE"])])
def test_a_new_password_keeps_the_device_of_the_request(
    tmp_path: Path, logout_devices: bool, left: list[str]
) -> None:
    async def scenario(world: World) -> None:
        requester = await at_phone(world)
        await world.identity.change_password.change(
            requester, "a new password", logout_devices=logout_devices, auth=AUTH, address=ADDRESS
        )
        assert await devices(world) == left
        assert [row.device_id for row in await world.identity.tokens.of_user(ALICE)] == left
        with pytest.raises(MatrixError):
            await world.identity.login.with_password("alice", PASSWORD, WantedDevice(), ADDRESS)
        await world.identity.login.with_password("alice", "a new password", WantedDevice(), ADDRESS)

    in_world(tmp_path, scenario)


def test_a_weak_new_password_is_refused_first(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        requester = await at_phone(world)
        with pytest.raises(MatrixError) as caught:
            await world.identity.change_password.change(
                requester, "short", logout_devices=True, auth=None, address=ADDRESS
            )
        assert caught.value.errcode == "M_WEAK_PASSWORD"

    in_world(tmp_path, scenario)


def test_a_deactivated_account_lets_nobody_in_and_leaves_nothing_behind(tmp_path: Path) -> None:
    told: list[AccountRow] = []

    async def depart(account: AccountRow) -> None:
        told.append(account)

    async def scenario(world: World) -> None:
        world.identity.deactivate_account.on_departure(depart)
        requester = await at_phone(world)
        await world.account(BOB)
        await world.identity.deactivate_account.by_user(requester, erase=True, auth=AUTH, address=ADDRESS)
        assert AccountDeactivated(ALICE, True) in world.feed
        with pytest.raises(MatrixError) as caught:
            await world.identity.login.with_password("alice", PASSWORD, WantedDevice(), ADDRESS)
        assert caught.value.errcode == "M_FORBIDDEN"
        await departed(world)
        assert (await devices(world), await world.identity.tokens.of_user(ALICE)) == ([], [])
        assert {account.user_id for account in told} == {ALICE}
        assert await world.store.accounts.erased([ALICE, BOB]) == {ALICE}
        with pytest.raises(MatrixError) as caught:
            await world.identity.deactivate_account.by_administrator(ALICE, erase=False)
        assert caught.value.errcode == "M_NOT_FOUND"

    in_world(tmp_path, scenario)


def test_a_departure_that_failed_is_tried_again(tmp_path: Path) -> None:
    calls: list[str] = []

    async def depart(account: AccountRow) -> None:
        calls.append(account.user_id)
        if len(calls) == 1:
            raise RuntimeError("a room cannot be left now")

    async def scenario(world: World) -> None:
        world.identity.deactivate_account.on_departure(depart)
        await world.account()
        await world.store.journal.submit(Batch(ending(ALICE, erase=False)))
        with pytest.raises(RuntimeError):
            await world.identity.deactivate_account.resume()
        assert [row.user_id for row in await world.store.accounts.departing()] == [ALICE]
        await departed(world)
        assert calls == [ALICE, ALICE]

    in_world(tmp_path, scenario)


def test_what_the_command_line_began_is_finished_by_the_server(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        session_of = await at_phone(world)
        await world.identity.outside_changes.look()
        await world.store.journal.submit(Batch([*ending(ALICE, erase=False), AnnounceOutsideChange()]))
        await world.identity.outside_changes.look()
        await departed(world)
        assert await devices(world) == []
        assert AccountDeactivated(ALICE, False) in world.feed
        assert session_of.user_id == ALICE

    in_world(tmp_path, scenario)
