"""Signatures on keys (client-server API, "Cross-signing"): on own devices, the own master key, others' master keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.cross_signing import (
    MASTER,
    SELF_SIGNING,
    USER_SIGNING,
    PublicKeys,
    check_signed_by,
    device_public_keys,
    signed_part,
)
from hamrasan.protocol.errors import MatrixError, invalid_param, not_found
from hamrasan.protocol.signing import ALGORITHM
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.cross_signing import (
    CrossSigningKeyRow,
    CrossSigningReader,
    NoteSignatures,
    PutKeySignature,
    SignaturesChanged,
)
from hamrasan.storage.ports.devices import ChangeDeviceList, DeviceChanged
from hamrasan.storage.ports.encryption import EncryptionReader
from hamrasan.storage.ports.journal import Batch, Journal

MAX_SIGNED = 1_000
"""Keys signed in one request; a client signs a few. Checking a signature takes a tenth of a millisecond."""

Signed = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Signed keys, by user id and id of the key."""
Failures = dict[str, dict[str, Any]]
"""Error objects, by the same."""


class _Known(NamedTuple):
    """What is here of the one who signs and of those whose keys are signed."""

    cross_signing: Mapping[tuple[str, str], CrossSigningKeyRow]
    """By user id and usage."""
    devices: Mapping[str, Mapping[str, Any]]
    """The identity keys of the signer's own devices."""


class KeySignatures:
    """Takes signatures, after checking them."""

    def __init__(
        self,
        journal: Journal,
        reader: CrossSigningReader,
        encryption: EncryptionReader,
        locks: KeyedLocks,
        clock: Clock,
    ) -> None:
        """Take the stores, and the locks of users whose keys change."""
        self._journal = journal
        self._reader = reader
        self._encryption = encryption
        self._locks = locks
        self._clock = clock

    async def add(self, signer: str, signed: Signed) -> Failures:
        """Add the signatures that a user made; return why some are not taken. Raises `M_INVALID_PARAM` for too many."""
        if sum(map(len, signed.values())) > MAX_SIGNED:
            raise invalid_param(f"At most {MAX_SIGNED} keys can be signed in one request.")
        failures: Failures = {}
        async with self._locks(signer):
            known = await self._load(signer, list(signed))
            present = {
                row[:4]: row.signature for row in await self._reader.signatures_on([*signed, signer], signer)
            }
            writes: list[PutKeySignature] = []
            slices = Slices(self._clock)
            for user_id, keys in signed.items():
                for key_id, value in keys.items():
                    await slices.pause()
                    try:
                        made = _checked(known, signer, user_id, key_id, value)
                    except MatrixError as refusal:
                        failures.setdefault(user_id, {})[key_id] = refusal.body()
                        continue
                    writes += (
                        PutKeySignature(user_id, key_id, signer, signer_key_id, signature)
                        for signer_key_id, signature in made.items()
                        if present.get((user_id, key_id, signer, signer_key_id)) != signature
                    )
            if writes:
                await self._journal.submit(self._batch(signer, writes))
        return failures

    async def _load(self, signer: str, user_ids: list[str]) -> _Known:
        rows = await self._reader.keys_of(list(dict.fromkeys([signer, *user_ids])))
        devices = await self._encryption.device_keys([signer])
        return _Known(
            {(row.user_id, row.usage): row for row in rows},
            {row.device_id: parse_json(row.keys) for row in devices},
        )

    def _batch(self, signer: str, writes: list[PutKeySignature]) -> Batch:
        """Return the batch that adds signatures: everybody is told of those on own keys, the signer of others."""
        position = self._journal.next_position
        batch = Batch([*writes], 1)
        others = {write.user_id for write in writes} - {signer}
        if others:
            batch.writes += (NoteSignatures(signer, other, position) for other in sorted(others))
            batch.feed.append(SignaturesChanged(signer, position))
        if any(write.user_id == signer for write in writes):
            batch.writes.append(ChangeDeviceList(signer, position))
            batch.feed.append(DeviceChanged(signer, position))
        return batch


def _checked(
    known: _Known, signer: str, user_id: str, key_id: str, value: Mapping[str, Any]
) -> dict[str, str]:
    """Return the signatures on a key, by the keys that made them; raise unless they may be added."""
    signed, keys = _key_and_signers(known, signer, user_id, key_id)
    if signed_part(value) != signed_part(signed):
        raise invalid_param("This is not the key that was published; only its signatures may differ.")
    return check_signed_by(value, signer, keys)


def _key_and_signers(
    known: _Known, signer: str, user_id: str, key_id: str
) -> tuple[Mapping[str, Any], PublicKeys]:
    """Return a published key, and the keys that may sign it; raises `M_NOT_FOUND` if one of them is not here."""
    master = known.cross_signing.get((user_id, MASTER))
    if master is not None and master.key_id == key_id:
        if user_id != signer:
            return parse_json(master.key), _public_key(known, signer, USER_SIGNING)
        signers: dict[str, bytes] = {}
        for device_id, keys in known.devices.items():
            signers |= device_public_keys(device_id, keys)
        return parse_json(master.key), signers
    if user_id != signer:
        raise not_found("This is not the user's master key; of others nothing else can be signed.")
    if key_id not in known.devices:
        raise not_found("This is neither your master key nor a device of yours with keys.")
    return known.devices[key_id], _public_key(known, signer, SELF_SIGNING)


def _public_key(known: _Known, user_id: str, usage: str) -> PublicKeys:
    row = known.cross_signing.get((user_id, usage))
    if row is None:
        raise not_found(f"You have no '{usage}' key to sign with.")
    return {f"{ALGORITHM}:{row.key_id}": decode_base64(row.key_id)}
