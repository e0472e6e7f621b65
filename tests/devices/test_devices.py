"""Devices: names, and when they were seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamrasan.devices import devices as module
from hamrasan.devices.devices import LAST_SEEN_INTERVAL_S, MAX_DISPLAY_NAME_CHARS
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.devices import DeviceChanged
from hamrasan.storage.ports.journal import Batch
from tests.identities import ADDRESS, ALICE, BOB, World, in_world


async def last_seen(world: World, device_id: str = "PHONE") -> tuple[int | None, str | None]:
    await world.store.journal.submit(Batch())  # after everything that was handed over before
    device = await world.identity.devices.access(ALICE, device_id)
    return device.last_seen_ts, device.last_seen_ip


def test_a_device_has_the_name_it_came_with(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        await world.session(device_id="PHONE", display_name="گوشی")
        await world.session(device_id="PHONE", display_name="Another")
        device = await world.identity.devices.access(ALICE, "PHONE")
        assert device.display_name == "گوشی"
        assert (device.last_seen_ts, device.last_seen_ip) == (world.clock.now_ms(), ADDRESS)

    in_world(tmp_path, scenario)


def test_devices_without_an_id_get_different_ones(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        ids = {(await world.session()).device_id for _ in range(3)}
        assert {device.device_id for device in await world.identity.devices.of_user(ALICE)} == ids
        assert len(ids) == 3

    in_world(tmp_path, scenario)


def test_renaming_tells_those_who_see_the_devices(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        await world.session(device_id="PHONE")
        position = world.store.journal.next_position
        await world.identity.devices.rename(ALICE, "PHONE", "Old phone")
        assert (await world.identity.devices.access(ALICE, "PHONE")).display_name == "Old phone"
        assert DeviceChanged(ALICE, position) in world.feed
        assert await world.store.devices.list_changes(position - 1) == [(ALICE, position)]

    in_world(tmp_path, scenario)


@pytest.mark.parametrize(
    ("user_id", "device_id", "name", "errcode"),
    [
        (ALICE, "DESK", "Name", "M_NOT_FOUND"),
        (BOB, "PHONE", "Name", "M_NOT_FOUND"),
        (ALICE, "PHONE", "x" * (MAX_DISPLAY_NAME_CHARS + 1), "M_INVALID_PARAM"),
    ],
)
def test_a_refused_renaming_changes_nothing(
    tmp_path: Path, user_id: str, device_id: str, name: str, errcode: str
) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        await world.session(device_id="PHONE", display_name="Phone")
        position = world.store.journal.next_position
        with pytest.raises(MatrixError) as caught:
            await world.identity.devices.rename(user_id, device_id, name)
        assert caught.value.errcode == errcode
        assert (await world.identity.devices.access(ALICE, "PHONE")).display_name == "Phone"
        assert world.store.journal.next_position == position

    in_world(tmp_path, scenario)


def test_being_seen_is_written_now_and_then(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        requester = await world.who(await world.session(device_id="PHONE"))
        devices, start = world.identity.devices, world.clock.now_ms()
        who = (requester.token_id, ALICE, "PHONE")
        assert devices.is_due(requester.token_id)
        devices.saw(*who, "192.0.2.2")
        assert await last_seen(world) == (start, "192.0.2.2")
        world.clock.advance(LAST_SEEN_INTERVAL_S - 1)
        assert not devices.is_due(requester.token_id)
        world.clock.advance(1)
        assert devices.is_due(requester.token_id)
        devices.saw(*who, "192.0.2.3")
        assert await last_seen(world) == (start + LAST_SEEN_INTERVAL_S * 1000, "192.0.2.3")

    in_world(tmp_path, scenario)


def test_what_is_remembered_of_seen_devices_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)

    async def scenario(world: World) -> None:
        devices = world.identity.devices
        for token_id in (1, 2, 3):
            devices.saw(token_id, ALICE, "PHONE", ADDRESS)
        assert [devices.is_due(token_id) for token_id in (1, 2, 3)] == [True, False, False]

    in_world(tmp_path, scenario)


def test_being_seen_is_not_worth_an_error(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.store.journal.close()
        world.identity.devices.saw(1, ALICE, "PHONE", ADDRESS)

    in_world(tmp_path, scenario)
