"""Counts of keys do not end a wait, and the answer at its end has those of that moment."""

from __future__ import annotations

import orjson

from hamrasan.protocol.filters import parse_filter
from hamrasan.rooms.rendering import Reader
from hamrasan.storage.ports.devices import NewDevice
from hamrasan.storage.ports.journal import Batch
from hamrasan.sync.request import SyncRequest
from tests.sync.world import World, in_world

ALICE = "@alice:example.org"
ALGORITHM = "curve25519"


def test_an_empty_answer_has_the_counts_after_a_claim() -> None:
    async def scenario(world: World) -> None:
        services = world.services
        await world.store.journal.submit(Batch([NewDevice(ALICE, "A", None, 1, None, None)]))
        one_time = {f"{ALGORITHM}:{number}": "key" for number in range(3)}
        await services.keys.upload(ALICE, "A", None, one_time, {f"{ALGORITHM}:f": "fallback"})
        stream = await services.notifier.stream(ALICE)
        token = services.sync.token()
        request = SyncRequest(Reader(ALICE, "A"), token, parse_filter({}), False, False)
        await services.sync.prepare(request)

        for left in (2, 1, 0, 0):
            await services.keys.claim({ALICE: {"A": ALGORITHM}})
            assert not services.sync.concerns(request, stream)
            answer = orjson.loads(services.sync.nothing_new(request, services.sync.token()))
            assert answer["device_one_time_keys_count"] == {ALGORITHM: left}
        assert answer["device_unused_fallback_key_types"] == []

    in_world(scenario)
