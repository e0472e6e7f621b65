"""Identity keys, one-time keys and fallback keys of devices (client-server API, "Key management").

The server checks the form of keys and whose they are, not their signatures: clients do not trust it with that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from hamrasan.encryption.key_counts import KeyCountCache
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.cross_signing import signed_part
from hamrasan.protocol.device_keys import Keyed, checked_device_keys, checked_key
from hamrasan.protocol.errors import invalid_param
from hamrasan.protocol.identifiers import is_of_server
from hamrasan.protocol.signing import ALGORITHM
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.cross_signing import DropSignaturesBy, DropSignaturesOn
from hamrasan.storage.ports.devices import ChangeDeviceList, DeviceChanged, DeviceReader
from hamrasan.storage.ports.encryption import (
    EncryptionReader,
    KeyCounts,
    KeyCountsChanged,
    NewOneTimeKey,
    PutDeviceKeys,
    PutFallbackKey,
    TakeOneTimeKey,
    UseFallbackKey,
)
from hamrasan.storage.ports.journal import Batch, Journal, Write

MAX_ONE_TIME_KEYS = 1_000
"""Of one device, all algorithms together. Clients keep about a hundred here, and upload more when they are told that
there are fewer."""
MAX_FALLBACK_KEYS = 10
"""Algorithms for which a device has a fallback key; there is one in use."""
MAX_CLAIMED = 10_000
"""Devices of which keys are claimed at once: those of a room of thousands."""


class Keys:
    """Keeps the keys of this server's devices, and hands them out."""

    def __init__(
        self,
        journal: Journal,
        reader: EncryptionReader,
        devices: DeviceReader,
        counts: KeyCountCache,
        locks: KeyedLocks,
        clock: Clock,
        server_name: str,
    ) -> None:
        """Take the stores, and the locks of users whose keys change."""
        self._journal = journal
        self._reader = reader
        self._devices = devices
        self._counts = counts
        self._server_name = server_name
        self._locks = locks
        self._clock = clock

    async def upload(
        self, user_id: str, device_id: str, device_keys: Keyed | None, one_time: Keyed, fallback: Keyed
    ) -> dict[str, int]:
        """Keep what a device publishes; return how many one-time keys it has, by algorithm ("Upload").

        Raises `M_INVALID_PARAM` for keys that are not this device's, for a name that is malformed or was used for
        another key, and for too many; `M_BAD_JSON` for keys without the specified form.
        """
        async with self._locks(user_id):
            identity = None if device_keys is None else checked_device_keys(device_keys, user_id, device_id)
            known = await self._reader.keys_of_device(user_id, device_id)
            if identity == known:
                identity = None
            counts = await self._counts.of(user_id, device_id)
            new = await self._new_one_time_keys(user_id, device_id, one_time)
            for key in new:
                counts.one_time[key.algorithm] = counts.one_time.get(key.algorithm, 0) + 1
            if new:
                _check_number_of_one_time_keys(sum(counts.one_time.values()))
            replaced = await self._new_fallback_keys(user_id, device_id, fallback)
            batch = Batch([*new, *replaced])
            if batch.writes:
                unused = {*counts.unused_fallback, *(key.algorithm for key in replaced)}
                counts = KeyCounts(counts.one_time, sorted(unused))
                batch.feed.append(KeyCountsChanged(user_id, device_id, counts))
            if identity is not None:
                position = self._journal.next_position
                batch.writes += [
                    *_outdated(user_id, device_id, identity, known),
                    PutDeviceKeys(user_id, device_id, identity),
                    ChangeDeviceList(user_id, position),
                ]
                batch.positions = 1
                batch.feed.append(DeviceChanged(user_id, position))
            if batch.writes:
                await self._journal.submit(batch)
                if not await self._devices.device(
                    user_id, device_id
                ):  # deleted meanwhile, and its keys not kept
                    self._counts.forget(user_id, device_id)
            return counts.one_time

    def of_new_device(
        self, user_id: str, device_id: str, device_keys: Keyed, one_time: Keyed, fallback: Keyed
    ) -> Batch:
        """Return what gives a device, which has no keys yet, its first ones; others are to be told besides.

        Raises what `upload` raises.
        """
        identity = checked_device_keys(device_keys, user_id, device_id)
        _check_number_of_fallback_keys(fallback)
        first = [checked_key(name, value) for name, value in one_time.items()]
        last = {key[0]: key for key in (checked_key(name, value) for name, value in fallback.items())}
        if len(last) < len(fallback):
            raise invalid_param("There can be only one fallback key of an algorithm.")
        _check_number_of_one_time_keys(len(first))
        counts = Counter(algorithm for algorithm, _, _ in first)
        return Batch(
            [
                PutDeviceKeys(user_id, device_id, identity),
                *(NewOneTimeKey(user_id, device_id, *key) for key in first),
                *(PutFallbackKey(user_id, device_id, *key) for key in last.values()),
            ],
            feed=[KeyCountsChanged(user_id, device_id, KeyCounts(dict(counts), sorted(last)))],
        )

    async def _new_one_time_keys(self, user_id: str, device_id: str, keys: Keyed) -> list[NewOneTimeKey]:
        new: list[NewOneTimeKey] = []
        for name, value in keys.items():
            algorithm, key_id, key = checked_key(name, value)
            known = await self._reader.one_time_key(user_id, device_id, algorithm, key_id)
            if known is None:
                new.append(NewOneTimeKey(user_id, device_id, algorithm, key_id, key))
            elif known[0] not in (None, key):
                raise invalid_param(f"There is another one-time key with the name '{name}' already.")
        return new

    async def _new_fallback_keys(self, user_id: str, device_id: str, keys: Keyed) -> list[PutFallbackKey]:
        _check_number_of_fallback_keys(keys)
        new: list[PutFallbackKey] = []
        algorithms: set[str] = set()
        for name, value in keys.items():
            algorithm, key_id, key = checked_key(name, value)
            if algorithm in algorithms:
                raise invalid_param(f"There can be only one fallback key of the algorithm '{algorithm}'.")
            algorithms.add(algorithm)
            known = await self._reader.fallback_key(user_id, device_id, algorithm)
            # One that comes again stays as it is: if it has been handed out, it is not unused now.
            if known is None or (known.key_id, known.key) != (key_id, key):
                new.append(PutFallbackKey(user_id, device_id, algorithm, key_id, key))
        return new

    async def claim(self, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, dict[str, Any]]]:
        """Hand out a key of each device, named by its algorithm ("Claim"): each one-time key once, ever.

        What the answer holds is durably gone before it is given. Devices without a key, and users of other servers,
        are left out. Raises `M_INVALID_PARAM` for too many devices.
        """
        if sum(map(len, wanted.values())) > MAX_CLAIMED:
            raise invalid_param(f"Keys of at most {MAX_CLAIMED} devices can be claimed at once.")
        local = sorted(user_id for user_id in wanted if self.is_local(user_id))
        found: dict[str, dict[str, dict[str, Any]]] = {}
        async with AsyncExitStack() as stack:
            for user_id in local:
                await stack.enter_async_context(self._locks(user_id))
            batch, slices = Batch(), Slices(self._clock)
            for user_id in local:
                for device_id, algorithm in wanted[user_id].items():
                    await slices.pause()
                    taken = await self._take(batch, user_id, device_id, algorithm)
                    if taken is not None:
                        found.setdefault(user_id, {})[device_id] = taken
            if batch.writes:
                await self._journal.submit(batch)
        return found

    async def _take(
        self, batch: Batch, user_id: str, device_id: str, algorithm: str
    ) -> dict[str, Any] | None:
        """Add to a batch that the next key of a device is taken; return the key by its name."""
        key = await self._reader.next_one_time_key(user_id, device_id, algorithm)
        if key is not None:
            counts = await self._counts.of(user_id, device_id)
            counts.one_time[algorithm] = counts.one_time.get(algorithm, 1) - 1
            batch.writes.append(TakeOneTimeKey(key.number))
            batch.feed.append(KeyCountsChanged(user_id, device_id, counts))
            return {f"{algorithm}:{key.key_id}": parse_json(key.key)}
        fallback = await self._reader.fallback_key(user_id, device_id, algorithm)
        if fallback is None:
            return None
        if not fallback.used:
            counts = await self._counts.of(user_id, device_id)
            unused = [unused for unused in counts.unused_fallback if unused != algorithm]
            batch.writes.append(UseFallbackKey(user_id, device_id, algorithm))
            batch.feed.append(KeyCountsChanged(user_id, device_id, KeyCounts(counts.one_time, unused)))
        return {f"{algorithm}:{fallback.key_id}": parse_json(fallback.key)}

    def is_local(self, user_id: str) -> bool:
        """Return whether the keys of a user would be here."""
        return is_of_server(user_id, self._server_name)


def _check_number_of_one_time_keys(number: int) -> None:
    if number > MAX_ONE_TIME_KEYS:
        raise invalid_param(f"A device may have at most {MAX_ONE_TIME_KEYS} one-time keys here.")


def _check_number_of_fallback_keys(keys: Keyed) -> None:
    if len(keys) > MAX_FALLBACK_KEYS:
        raise invalid_param(f"A device may have at most {MAX_FALLBACK_KEYS} fallback keys.")


def _outdated(user_id: str, device_id: str, identity: bytes, known: bytes | None) -> list[Write]:
    """Return what takes away the signatures that do not fit the new identity keys of a device."""
    if known is None or signed_part(parse_json(known)) == signed_part(parse_json(identity)):
        return []
    return [DropSignaturesOn(user_id, device_id), DropSignaturesBy(user_id, f"{ALGORITHM}:{device_id}")]
