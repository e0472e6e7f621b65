"""Identity keys, one-time keys and fallback keys of devices (client-server API, "Key management").

The server checks the form of keys and whose they are, not their signatures: clients do not trust it with that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from hamrasan.encryption.key_counts import KeyCountCache
from hamrasan.protocol.canonical_json import encode_canonical, parse_json
from hamrasan.protocol.errors import MatrixError, bad_json, invalid_param
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.devices import ChangeDeviceList, DeviceChanged
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
MAX_KEY_BYTES = 8 * 1024
"""One key with its signatures; usual ones have half a KiB."""
MAX_DEVICE_KEYS_BYTES = 64 * 1024
"""The identity keys of a device: a few hundred bytes, and more with signatures by other algorithms."""
MAX_NAME_CHARS = 255
"""An algorithm, and the id of a key: they are names like others of the specification."""
MAX_CLAIMED = 10_000
"""Devices of which keys are claimed at once: those of a room of thousands."""

Keyed = Mapping[str, Any]
"""Keys by `<algorithm>:<key id>`."""


class Keys:
    """Keeps the keys of this server's devices, and hands them out."""

    def __init__(
        self, journal: Journal, reader: EncryptionReader, counts: KeyCountCache, server_name: str
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._counts = counts
        self._server_name = server_name
        self._locks = KeyedLocks()

    async def upload(
        self, user_id: str, device_id: str, device_keys: Keyed | None, one_time: Keyed, fallback: Keyed
    ) -> dict[str, int]:
        """Keep what a device publishes; return how many one-time keys it has, by algorithm ("Upload").

        Raises `M_INVALID_PARAM` for keys that are not this device's, for a name that is malformed or was used for
        another key, and for too many; `M_BAD_JSON` for keys without the specified form.
        """
        async with self._locks(user_id):
            writes: list[Write] = []
            identity = None if device_keys is None else _checked_identity(device_keys, user_id, device_id)
            if identity == await self._reader.keys_of_device(user_id, device_id):
                identity = None
            counts = await self._counts.of(user_id, device_id)
            new = await self._new_one_time_keys(user_id, device_id, one_time)
            for key in new:
                counts.one_time[key.algorithm] = counts.one_time.get(key.algorithm, 0) + 1
            if new and sum(counts.one_time.values()) > MAX_ONE_TIME_KEYS:
                raise invalid_param(f"A device may have at most {MAX_ONE_TIME_KEYS} one-time keys here.")
            replaced = await self._new_fallback_keys(user_id, device_id, fallback)
            unused = {*counts.unused_fallback, *(key.algorithm for key in replaced)}
            writes += [*new, *replaced]
            batch = Batch(writes)
            if writes:
                counts = KeyCounts(counts.one_time, sorted(unused))
                batch.feed.append(KeyCountsChanged(user_id, device_id, counts))
            if identity is not None:
                position = self._journal.next_position
                writes += [
                    PutDeviceKeys(user_id, device_id, identity),
                    ChangeDeviceList(user_id, position),
                ]
                batch.positions = 1
                batch.feed.append(DeviceChanged(user_id, position))
            if writes:
                await self._journal.submit(batch)
            return counts.one_time

    async def _new_one_time_keys(self, user_id: str, device_id: str, keys: Keyed) -> list[NewOneTimeKey]:
        new: list[NewOneTimeKey] = []
        for name, value in keys.items():
            algorithm, key_id, key = _checked_key(name, value)
            known = await self._reader.one_time_key(user_id, device_id, algorithm, key_id)
            if known is None:
                new.append(NewOneTimeKey(user_id, device_id, algorithm, key_id, key))
            elif known != key:
                raise invalid_param(f"There is another one-time key with the name '{name}' already.")
        return new

    async def _new_fallback_keys(self, user_id: str, device_id: str, keys: Keyed) -> list[PutFallbackKey]:
        if len(keys) > MAX_FALLBACK_KEYS:
            raise invalid_param(f"A device may have at most {MAX_FALLBACK_KEYS} fallback keys.")
        new: dict[str, PutFallbackKey] = {}
        for name, value in keys.items():
            algorithm, key_id, key = _checked_key(name, value)
            if algorithm in new:
                raise invalid_param(f"There can be only one fallback key of the algorithm '{algorithm}'.")
            known = await self._reader.fallback_key(user_id, device_id, algorithm)
            # One that comes again stays as it is: if it has been handed out, it is not unused now.
            if known is None or (known.key_id, known.key) != (key_id, key):
                new[algorithm] = PutFallbackKey(user_id, device_id, algorithm, key_id, key)
        return list(new.values())

    async def query(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
        """Return the identity keys by user and device; an empty list of devices means all ("Query").

        Users of other servers, and who has no keys, are left out.
        """
        local = [user_id for user_id in wanted if self.is_local(user_id)]
        found: dict[str, dict[str, Any]] = {user_id: {} for user_id in local}
        for row in await self._reader.device_keys(local):
            if not wanted[row.user_id] or row.device_id in wanted[row.user_id]:
                keys = parse_json(row.keys)
                if row.display_name is not None:
                    keys["unsigned"] = {"device_display_name": row.display_name}
                found[row.user_id][row.device_id] = keys
        return found

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
            batch = Batch()
            for user_id in local:
                for device_id, algorithm in wanted[user_id].items():
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
        return user_id.partition(":")[2] == self._server_name


def _checked_identity(keys: Keyed, user_id: str, device_id: str) -> bytes:
    """Return identity keys as canonical JSON; raise unless they have the specified form and are this device's."""
    if keys.get("user_id") != user_id or keys.get("device_id") != device_id:
        raise invalid_param("The keys name another user or device than those of the access token.")
    algorithms = keys.get("algorithms")
    if not isinstance(algorithms, list) or not all(isinstance(name, str) for name in algorithms):
        raise bad_json("'device_keys.algorithms' must be an array of strings.")
    _check_strings(keys.get("keys"), "device_keys.keys")
    signatures = keys.get("signatures")
    if not isinstance(signatures, dict):
        raise bad_json("'device_keys.signatures' must be an object.")
    for signer in signatures.values():
        _check_strings(signer, "device_keys.signatures.*")
    encoded = encode_canonical({name: value for name, value in keys.items() if name != "unsigned"})
    if len(encoded) > MAX_DEVICE_KEYS_BYTES:
        raise invalid_param(f"The keys of a device may have at most {MAX_DEVICE_KEYS_BYTES} bytes.")
    return encoded


def _check_strings(value: Any, name: str) -> None:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise bad_json(f"'{name}' must be an object of strings.")


def _checked_key(name: str, value: Any) -> tuple[str, str, bytes]:
    """Return algorithm, id and canonical JSON of a one-time or fallback key; raise unless they have their form."""
    algorithm, separator, key_id = name.partition(":")
    if not separator or not algorithm or not key_id or len(name) > MAX_NAME_CHARS:
        raise _malformed_name(name)
    if isinstance(value, dict):
        if not isinstance(value.get("key"), str):
            raise bad_json(f"The key '{name}' must have a string 'key'.")
    elif not isinstance(value, str):
        raise bad_json(f"The key '{name}' must be a string or an object.")
    encoded = encode_canonical(value)
    if len(encoded) > MAX_KEY_BYTES:
        raise invalid_param(f"A key may have at most {MAX_KEY_BYTES} bytes.")
    return algorithm, key_id, encoded


def _malformed_name(name: str) -> MatrixError:
    return invalid_param(
        f"'{name[:MAX_NAME_CHARS]}' is no name of a key: it needs an algorithm, ':' and an id."
    )
