"""Dehydrated devices (MSC3814): a device without a session, which takes in room keys while its user has no other one.

Its private half lies here sealed. Who logs in later unseals it, and reads the messages that came for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hamrasan.devices.devices import Devices
from hamrasan.encryption.cross_signing import CrossSigning
from hamrasan.encryption.keys import Keys
from hamrasan.encryption.to_device import MAX_DELIVERED, ToDevice
from hamrasan.flows.end_sessions import EndSessions
from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.device_keys import Keyed
from hamrasan.protocol.errors import forbidden, invalid_param, not_found
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.dehydrated_devices import (
    DehydratedDeviceReader,
    DehydratedDeviceRow,
    PutDehydratedDevice,
)
from hamrasan.storage.ports.journal import Journal, Position

MAX_DATA_BYTES = 64 * 1024
"""What is sealed: two key pairs and a hundred one-time keys take about 10 KiB."""


@dataclass(frozen=True, slots=True)
class WantedDehydratedDevice:
    """What a client says about the device that it dehydrates."""

    device_id: str
    data: Mapping[str, Any]
    display_name: str | None
    device_keys: Keyed
    one_time_keys: Keyed
    fallback_keys: Keyed


class DehydrateDevice:
    """Keeps at most one dehydrated device of each user."""

    def __init__(
        self,
        journal: Journal,
        reader: DehydratedDeviceReader,
        devices: Devices,
        end_sessions: EndSessions,
        keys: Keys,
        cross_signing: CrossSigning,
        to_device: ToDevice,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._devices = devices
        self._end_sessions = end_sessions
        self._keys = keys
        self._cross_signing = cross_signing
        self._to_device = to_device
        self._locks = KeyedLocks()

    async def dehydrate(self, user_id: str, wanted: WantedDehydratedDevice) -> None:
        """Keep a dehydrated device in the place of the former one, with its keys, in one commit.

        Raises `M_INVALID_PARAM` if the user has another device of this id, or what is sealed is too large,
        `M_FORBIDDEN` for the id of a cross-signing key, and what `Keys.upload` raises.
        """
        data = encode_json(wanted.data)
        if len(data) > MAX_DATA_BYTES:
            raise invalid_param(f"The data of a dehydrated device may have at most {MAX_DATA_BYTES} bytes.")
        device = self._devices.new(user_id, wanted.device_id, wanted.display_name, None)
        new = self._keys.of_new_device(
            user_id, wanted.device_id, wanted.device_keys, wanted.one_time_keys, wanted.fallback_keys
        )
        async with self._locks(user_id):
            former = await self._reader.of_user(user_id)
            if former is None or former.device_id != wanted.device_id:
                if await self._devices.find(user_id, wanted.device_id) is not None:
                    raise invalid_param("You have another device with this id.")
                if await self._cross_signing.is_key_id(user_id, wanted.device_id):
                    raise forbidden("A device cannot have the id of a cross-signing key.")
            batch = self._end_sessions.ending(user_id, [] if former is None else [former.device_id])
            kept = PutDehydratedDevice(user_id, wanted.device_id, data)
            batch.writes += [device, kept, *new.writes]
            batch.feed += new.feed
            await self._journal.submit(batch)

    async def access(self, user_id: str) -> DehydratedDeviceRow:
        """Return the dehydrated device of a user; raises `M_NOT_FOUND`."""
        found = await self._reader.of_user(user_id)
        if found is None:
            raise not_found("You have no dehydrated device.")
        return found

    async def delete(self, user_id: str) -> str:
        """Delete the dehydrated device of a user with its keys, and return its id; raises `M_NOT_FOUND`."""
        async with self._locks(user_id):
            device_id = (await self.access(user_id)).device_id
            await self._journal.submit(self._end_sessions.ending(user_id, [device_id]))
            return device_id

    async def messages(
        self, user_id: str, device_id: str, after: Position, limit: int = MAX_DELIVERED
    ) -> tuple[list[bytes], Position, bool]:
        """Return the next messages for the dehydrated device, the position after them, and whether there are more.

        They stay until the device is replaced: whoever reads them may be gone before making use of them. Raises
        `M_FORBIDDEN` for any other device.
        """
        found = await self._reader.of_user(user_id)
        if found is None or found.device_id != device_id:
            raise forbidden("This is not your dehydrated device.")
        upto = self._journal.durable
        messages, reached = await self._to_device.waiting(user_id, device_id, after, upto, limit)
        return messages, reached, reached < upto
