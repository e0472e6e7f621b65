"""Publishing cross-signing keys (client-server API, "Cross-signing")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.cross_signing import (
    MASTER,
    SELF_SIGNING,
    USER_SIGNING,
    CrossSigningKey,
    check_signed_by,
    checked_cross_signing_key,
    device_public_keys,
)
from hamrasan.protocol.errors import MatrixError, forbidden, missing_param
from hamrasan.protocol.signing import ALGORITHM
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.cross_signing import (
    CrossSigningKeyRow,
    CrossSigningReader,
    DropCrossSigningKey,
    DropSignaturesBy,
    DropSignaturesOn,
    ForgetCrossSigning,
    NoteSignatures,
    PutCrossSigningKey,
    SignaturesChanged,
)
from hamrasan.storage.ports.devices import ChangeDeviceList, DeviceChanged, DeviceReader
from hamrasan.storage.ports.encryption import DeviceKeysRow, EncryptionReader
from hamrasan.storage.ports.journal import Batch, Journal, Write


class CrossSigning:
    """Keeps users' cross-signing keys. Every self-signing and user-signing key here is signed by the master key."""

    def __init__(
        self,
        journal: Journal,
        reader: CrossSigningReader,
        encryption: EncryptionReader,
        devices: DeviceReader,
        locks: KeyedLocks,
    ) -> None:
        """Take the stores, and the locks of users whose keys change."""
        self._journal = journal
        self._reader = reader
        self._encryption = encryption
        self._devices = devices
        self._locks = locks

    async def publish(self, user_id: str, keys: Mapping[str, Any], *, confirmed: bool) -> bool:
        """Keep the keys that a user publishes, given by usage; return whether that could be done.

        It is not done, and False returned, if it replaces or adds to a master key and the user has not `confirmed`
        it. Keys that are here already change nothing. Raises `M_MISSING_PARAM` if there is no master key,
        `M_INVALID_SIGNATURE` unless the master key has signed the others, `M_FORBIDDEN` if a device has the id of a
        key, and what `checked_cross_signing_key` raises.
        """
        new = {usage: checked_cross_signing_key(value, user_id, usage) for usage, value in keys.items()}
        async with self._locks(user_id):
            stored = {row.usage: row for row in await self._reader.keys_of([user_id])}
            master = new.get(MASTER) or _master_of(stored)
            _check_signatures(user_id, new, master)
            if MASTER in new:
                _check_master_key(user_id, new[MASTER], await self._encryption.device_keys([user_id]))
            changed = _changed(new, stored)
            if not changed:
                return True
            device_ids = (await self._devices.ids_of([user_id])).get(user_id, ())
            if any(key.public_key in device_ids for key in changed.values()):
                raise forbidden("A cross-signing key cannot be the id of one of your devices.")
            if MASTER in stored and not confirmed:
                return False
            await self._journal.submit(self._replacing(user_id, changed, stored))
            return True

    def _replacing(
        self, user_id: str, changed: Mapping[str, CrossSigningKey], stored: Mapping[str, CrossSigningKeyRow]
    ) -> Batch:
        """Return what puts `changed` in the place of `stored`, with all that hangs on the former keys."""
        writes: list[Write] = []
        gone = {usage for usage in stored if usage not in changed and MASTER in changed}
        for usage, row in stored.items():
            if usage in gone:  # the new master key has not signed it
                writes.append(DropCrossSigningKey(user_id, usage))
            if usage in gone or usage in changed:
                writes.append(DropSignaturesOn(user_id, row.key_id))
            if usage in gone or (usage in changed and changed[usage].public_key != row.key_id):
                writes.append(DropSignaturesBy(user_id, f"{ALGORITHM}:{row.key_id}"))
        for usage, key in changed.items():
            writes.append(PutCrossSigningKey(user_id, usage, key.public_key, key.encoded()))
        position = self._journal.next_position
        if gone | changed.keys() == {USER_SIGNING}:  # which nobody else can see
            told: tuple[Write, object] = (
                NoteSignatures(user_id, user_id, position),
                SignaturesChanged(user_id, position),
            )
        else:
            told = ChangeDeviceList(user_id, position), DeviceChanged(user_id, position)
        return Batch([*writes, told[0]], 1, [told[1]])

    async def is_key_id(self, user_id: str, key_id: str) -> bool:
        """Return whether one of a user's cross-signing keys has this id, which no device may have then."""
        return await self._reader.is_key_id(user_id, key_id)

    async def forget(self, user_id: str) -> None:
        """Delete the keys of a user whose account ends, and all signatures on them and by them."""
        async with self._locks(user_id):
            await self._journal.submit(Batch([ForgetCrossSigning(user_id)]))


def _master_of(stored: Mapping[str, CrossSigningKeyRow]) -> CrossSigningKey:
    if MASTER not in stored:
        raise missing_param("master_key")
    row = stored[MASTER]
    return CrossSigningKey(row.key_id, parse_json(row.key))


def _check_signatures(user_id: str, new: Mapping[str, CrossSigningKey], master: CrossSigningKey) -> None:
    """Raise `M_INVALID_SIGNATURE` unless the master key signed the others."""
    for usage in (SELF_SIGNING, USER_SIGNING):
        if usage in new:
            try:
                check_signed_by(new[usage].value, user_id, master.public_keys)
            except MatrixError as error:
                raise MatrixError(
                    error.status, error.errcode, f"The '{usage}_key': {error.message}"
                ) from None


def _check_master_key(user_id: str, key: CrossSigningKey, devices: Sequence[DeviceKeysRow]) -> None:
    """Raise `M_INVALID_SIGNATURE` if a master key comes with a wrong signature, by itself or a device of its user."""
    signers = dict(key.public_keys)
    for row in devices:
        signers |= device_public_keys(row.device_id, parse_json(row.keys))
    made = key.value.get("signatures", {}).get(user_id, {})
    signed = {key_id: public_key for key_id, public_key in signers.items() if key_id in made}
    if signed:
        check_signed_by(key.value, user_id, signed)


def _changed(
    new: Mapping[str, CrossSigningKey], stored: Mapping[str, CrossSigningKeyRow]
) -> dict[str, CrossSigningKey]:
    """Return those of the new keys that are not here yet; all of them if the master key is another one."""

    def is_new(usage: str) -> bool:
        return usage not in stored or not new[usage].has_same_content(parse_json(stored[usage].key))

    if MASTER in new and is_new(MASTER):
        return dict(new)
    return {usage: key for usage, key in new.items() if is_new(usage)}
