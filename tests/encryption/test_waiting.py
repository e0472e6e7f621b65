"""Floods of messages to devices: what waits is bounded, the latest stay, and nobody else loses any."""

from __future__ import annotations

import pytest

from hamrasan.encryption import to_device, waiting
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.devices import DeleteDevice, NewDevice
from hamrasan.storage.ports.journal import Batch
from tests.sync.world import World, in_world

MALLORY, BOB = "@mallory:example.org", "@bob:example.org"


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING", 40)
    monkeypatch.setattr(waiting, "MAX_WAITING_BYTES", 4_000)


async def device(world: World, user_id: str, device_id: str) -> None:
    await world.store.journal.submit(Batch([NewDevice(user_id, device_id, None, 1, None, None)]))


async def send(world: World, number: int, *device_ids: str, size: int = 0) -> None:
    content = {"n": number, "x": "x" * size}
    messages = {BOB: dict.fromkeys(device_ids, content)}
    await world.services.to_device.send(MALLORY, "M", f"t{number}", "m.x", messages)


async def waiting_for(world: World, device_id: str) -> list[int]:
    """Return the numbers of the messages that wait."""
    durable = world.store.journal.durable
    rows = await world.store.encryption.waiting(BOB, device_id, 0, durable, 1_000)
    return [int(row.message.split(b'"n":')[1].split(b",")[0]) for row in rows]


def test_the_older_half_goes_when_too_many_wait() -> None:
    async def scenario(world: World) -> None:
        await device(world, BOB, "PHONE")
        await device(world, BOB, "TABLET")
        for number in range(40):
            await send(world, number, "PHONE")
        await send(world, 40, "TABLET")
        assert await waiting_for(world, "PHONE") == list(range(40))
        await send(world, 41, "*")
        assert await waiting_for(world, "PHONE") == [*range(21, 40), 41]
        assert await waiting_for(world, "TABLET") == [40, 41]
        for number in range(100, 1_000):
            await send(world, number, "PHONE")
            assert len(await waiting_for(world, "PHONE")) <= 40
        latest = await waiting_for(world, "PHONE")
        assert latest == list(range(1_000 - len(latest), 1_000))
        assert len(latest) >= 20
        assert await waiting_for(world, "TABLET") == [40, 41]

    in_world(scenario)


def test_the_size_of_what_waits_is_bounded_too() -> None:
    async def scenario(world: World) -> None:
        await device(world, BOB, "PHONE")
        for number in range(50):
            await send(world, number, "PHONE", size=900)
            [row] = await world.store.encryption.waiting_counts([BOB])
            assert row.size <= 5_000
        assert 49 in await waiting_for(world, "PHONE")

    in_world(scenario)


def test_what_waits_is_known_after_a_restart() -> None:
    async def scenario(world: World) -> None:
        await device(world, BOB, "PHONE")
        for number in range(40):
            await send(world, number, "PHONE")
        await world.restart()
        await send(world, 40, "PHONE")
        assert await waiting_for(world, "PHONE") == [*range(21, 41)]

    in_world(scenario)


def test_who_fetches_loses_nothing() -> None:
    async def scenario(world: World) -> None:
        await device(world, BOB, "PHONE")
        for number in range(200):
            await send(world, number, "PHONE")
            if number % 10 == 9:
                assert await waiting_for(world, "PHONE") == list(range(number - 9, number + 1))
                world.services.to_device.acknowledge(BOB, "PHONE", world.store.journal.durable)

    in_world(scenario)


def test_a_new_device_of_the_same_name_begins_with_nothing() -> None:
    async def scenario(world: World) -> None:
        await device(world, BOB, "PHONE")
        for number in range(40):
            await send(world, number, "PHONE")
        await world.store.journal.submit(Batch([DeleteDevice(BOB, "PHONE")]))
        await device(world, BOB, "PHONE")
        for number in range(40, 70):
            await send(world, number, "PHONE")
        assert await waiting_for(world, "PHONE") == list(range(40, 70))

    in_world(scenario)


def test_one_request_cannot_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_device, "MAX_SENT_BYTES", 2_000)

    async def scenario(world: World) -> None:
        for number in range(3):
            await device(world, BOB, f"D{number}")
        await send(world, 1, "D0", size=900)
        with pytest.raises(MatrixError) as refusal:
            await send(world, 2, "*", size=900)
        assert (refusal.value.status, refusal.value.errcode) == (413, "M_TOO_LARGE")
        assert await waiting_for(world, "D0") == [1]
        assert await waiting_for(world, "D1") == []

    in_world(scenario)
