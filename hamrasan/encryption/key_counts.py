"""How many keys each device has on the server, ready for `/sync` (client-server API, "Extensions to /sync")."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.storage.ports.devices import DeviceDeleted
from hamrasan.storage.ports.encryption import EncryptionReader, KeyCounts, KeyCountsChanged
from hamrasan.storage.ports.journal import Journal

MAX_CACHED = 200_000
"""Devices whose counts are in memory (about 60 MB): those that have been asking for `/sync` lately."""

Device = tuple[str, str]
"""User id and device id."""


class _Known(NamedTuple):
    """A device's counts, and how `/sync` writes them."""

    counts: KeyCounts
    part: bytes


class KeyCountCache:
    """Knows the counts of devices that were asked for; a commit that changes them brings the new ones along."""

    def __init__(self, journal: Journal, reader: EncryptionReader) -> None:
        self._reader = reader
        self._known: BoundedCache[Device, _Known] = BoundedCache(MAX_CACHED)
        journal.listen(KeyCountsChanged, self._changed)
        journal.listen(DeviceDeleted, self._deleted)

    async def of(self, user_id: str, device_id: str) -> KeyCounts:
        """Return a device's counts, the caller's own to change."""
        counts = (await self._get(user_id, device_id)).counts
        return KeyCounts(dict(counts.one_time), list(counts.unused_fallback))

    def part_now(self, user_id: str, device_id: str) -> bytes | None:
        """Return the members of an answer to `/sync` that tell a device its counts, if memory has them."""
        known = self._known.get((user_id, device_id))
        return None if known is None else known.part

    async def part(self, user_id: str, device_id: str) -> bytes:
        """Return the same, from the store if need be."""
        return (await self._get(user_id, device_id)).part

    def forget(self, user_id: str, device_id: str) -> None:
        """Ask the store when the counts of a device are needed again."""
        self._known.drop((user_id, device_id))

    async def _get(self, user_id: str, device_id: str) -> _Known:
        device = (user_id, device_id)
        known = self._known.get(device)
        return known or self._put(device, await self._reader.key_counts(user_id, device_id))

    def _put(self, device: Device, counts: KeyCounts) -> _Known:
        part = b'"device_one_time_keys_count":%b,"device_unused_fallback_key_types":%b' % (
            orjson.dumps(counts.one_time),
            orjson.dumps(counts.unused_fallback),
        )
        known = _Known(counts, part)
        self._known.put(device, known)
        return known

    def _changed(self, item: KeyCountsChanged) -> None:
        self._put((item.user_id, item.device_id), item.counts)

    def _deleted(self, item: DeviceDeleted) -> None:
        self._known.drop((item.user_id, item.device_id))
