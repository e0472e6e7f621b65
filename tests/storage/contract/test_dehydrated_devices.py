"""What every store must do with dehydrated devices."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.dehydrated_devices import PutDehydratedDevice
from hamrasan.storage.ports.devices import DeleteDevice, NewDevice
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

ALICE = "@alice:example.org"


def test_a_user_has_one_and_it_goes_with_its_device(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        reader = store.dehydrated_devices
        assert await reader.of_user(ALICE) is None
        for device_id in ("A", "B"):
            device = NewDevice(ALICE, device_id, None, 1, None, None)
            kept = PutDehydratedDevice(ALICE, device_id, device_id.encode())
            await store.journal.submit(Batch([device, kept]))
            assert await reader.of_user(ALICE) == (device_id, device_id.encode())
        await store.journal.submit(Batch([DeleteDevice(ALICE, "A")]))
        assert await reader.of_user(ALICE) == ("B", b"B")
        await store.journal.submit(Batch([DeleteDevice(ALICE, "B")]))
        assert await reader.of_user(ALICE) is None

    on_store(tmp_path, scenario)
