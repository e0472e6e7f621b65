"""Keys that arrive when their device is gone already: the next device of the same name has none of them."""

from __future__ import annotations

from hamrasan.storage.ports.devices import NewDevice
from hamrasan.storage.ports.journal import Batch
from tests.sync.world import World, in_world

ALICE = "@alice:example.org"
KEYS = {"curve25519:a": "key"}
IDENTITY = {"user_id": ALICE, "device_id": "A", "algorithms": [], "keys": {}, "signatures": {}}


def test_keys_of_a_device_that_was_deleted_meanwhile_are_not_kept() -> None:
    async def scenario(world: World) -> None:
        services = world.services
        new = NewDevice(ALICE, "A", None, 1, None, None)
        await world.store.journal.submit(Batch([new]))
        await services.end_sessions.end(ALICE, ["A"])
        await services.keys.upload(ALICE, "A", IDENTITY, KEYS, {"curve25519:f": "fallback"})
        await world.store.journal.submit(Batch([new]))
        assert await services.keys.claim({ALICE: {"A": "curve25519"}}) == {}
        assert (await services.key_query.ask(ALICE, {ALICE: []}))["device_keys"] == {ALICE: {}}
        assert await services.key_counts.of(ALICE, "A") == ({}, [])

    in_world(scenario)
