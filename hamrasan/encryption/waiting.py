"""How much waits for each device, so that nobody can fill the disk with messages that are never fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.storage.ports.encryption import DropOldToDeviceMessages, EncryptionReader

MAX_WAITING = 50_000
"""Messages that wait for one device: room keys of months in busy rooms, for a phone that lay in a drawer."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Of one device. A room key takes a KiB and a half, sealed."""
MAX_CACHED = 100_000
"""Devices whose counts are in memory (about 30 MB): those that were written to lately."""

Device = tuple[str, str]
"""User id and device id."""
Message = tuple[str, str, bytes]
"""User id, device id, and the event for it."""


class Waiting:
    """Counts what waits for devices: from the store once, and in memory from then on until the device fetches any."""

    def __init__(self, reader: EncryptionReader) -> None:
        self._reader = reader
        self._counts: BoundedCache[Device, tuple[int, int]] = BoundedCache(MAX_CACHED)

    async def make_room(self, messages: Sequence[Message]) -> list[DropOldToDeviceMessages]:
        """Count new messages, and return what makes room for them: where too much waits, the older half goes."""
        await self._load({message[0] for message in messages if message[:2] not in self._counts})
        full = {message[:2] for message in messages if not self._add(message)}
        if not full:
            return []
        for (
            device
        ) in full:  # memory may not have heard of what is gone: only what the store says costs messages
            self._counts.drop(device)
        await self._load({user_id for user_id, _ in full})
        drops: list[DropOldToDeviceMessages] = []
        for device in sorted(full):
            count, size = self._counts.get(device) or (0, 0)
            if count >= MAX_WAITING or size >= MAX_WAITING_BYTES:
                drops.append(DropOldToDeviceMessages(*device, max(count // 2, 1)))
                self._counts.drop(device)
            else:
                for message in messages:
                    if message[:2] == device:
                        self._add(message)
        return drops

    def forget(self, user_id: str, device_id: str) -> None:
        """Count anew: the device has fetched messages."""
        self._counts.drop((user_id, device_id))

    async def _load(self, user_ids: Iterable[str]) -> None:
        wanted = sorted(user_ids)
        if wanted:
            for row in await self._reader.waiting_counts(wanted):
                self._counts.put((row.user_id, row.device_id), (row.messages, row.size))

    def _add(self, message: Message) -> bool:
        """Count a message; return whether there was room for it."""
        user_id, device_id, text = message
        count, size = self._counts.get((user_id, device_id)) or (0, 0)
        count, size = count + 1, size + len(text)
        self._counts.put((user_id, device_id), (count, size))
        return count <= MAX_WAITING and size <= MAX_WAITING_BYTES
