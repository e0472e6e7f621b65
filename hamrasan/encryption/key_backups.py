"""Backups of the keys of encrypted rooms (client-server API, "Server-side key backups")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from hamrasan.protocol.canonical_json import encode_canonical
from hamrasan.protocol.errors import MatrixError, invalid_param, not_found
from hamrasan.protocol.key_backups import ALGORITHM, is_better
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.key_backups import (
    BackedUpKeyRow,
    ChangeKeyBackup,
    DeleteBackedUpKeys,
    DeleteKeyBackup,
    DeleteKeyBackups,
    KeyBackupReader,
    KeyBackupRow,
    NewKeyBackup,
    PutBackedUpKey,
    UpdateKeyBackup,
)

MAX_KEYS = 500_000
"""Keys in one backup: decades of busy rooms, and about 250 MB."""
MAX_NAME_CHARS = 255
"""Of a room id and a session id."""
MAX_DATA_BYTES = 16 * 1024
"""One sealed key; usual ones have half a KiB."""
PAGE = 500
"""Keys read at once."""


class BackedUpKey(NamedTuple):
    """A key as a client gives it."""

    first_message_index: int
    forwarded_count: int
    is_verified: bool
    session_data: Mapping[str, Any]


Rooms = Mapping[str, Mapping[str, BackedUpKey]]
"""Keys by room id and session id."""


class KeyBackups:
    """Keeps users' backups. A user has one that is current; keys go only there."""

    def __init__(self, journal: Journal, reader: KeyBackupReader, clock: Clock) -> None:
        self._clock = clock
        self._journal = journal
        self._reader = reader
        self._locks = KeyedLocks()

    async def create(self, user_id: str, algorithm: str, auth_data: Mapping[str, Any]) -> str:
        """Begin a backup, which becomes the current one, and return its version.

        Raises `M_INVALID_PARAM` for an algorithm that the specification does not have.
        """
        if algorithm != ALGORITHM:
            raise invalid_param(f"Backups are made by the algorithm '{ALGORITHM}' only.")
        async with self._locks(user_id):
            version = await self._reader.last_version(user_id) + 1
            await self._journal.submit(
                Batch([NewKeyBackup(user_id, version, algorithm, _encoded(auth_data))])
            )
            return str(version)

    async def access(self, user_id: str, version: str | None = None) -> tuple[KeyBackupRow, int]:
        """Return a backup, or the current one, and the number of keys in it; raises `M_NOT_FOUND`."""
        if version is None:
            backup = await self._reader.current(user_id)
        else:
            backup = await self._reader.backup(user_id, _number(version))
        if backup is None:
            raise not_found("There is no such backup.")
        return backup, await self._reader.count(user_id, backup.version)

    async def update(self, user_id: str, version: str, algorithm: str, auth_data: Mapping[str, Any]) -> None:
        """Describe a backup anew; raises `M_NOT_FOUND`, and `M_INVALID_PARAM` for another algorithm."""
        async with self._locks(user_id):
            backup, _ = await self.access(user_id, version)
            if algorithm != backup.algorithm:
                raise invalid_param("The algorithm of a backup cannot be changed.")
            await self._journal.submit(Batch([UpdateKeyBackup(_encoded(auth_data), user_id, backup.version)]))

    async def delete(self, user_id: str, version: str) -> None:
        """Delete a backup with its keys; one that is gone already is no error. Raises `M_NOT_FOUND` for none ever."""
        async with self._locks(user_id):
            number = _number(version)
            if number > await self._reader.last_version(user_id) or number < 1:
                raise not_found("There is no such backup.")
            await self._journal.submit(Batch([DeleteKeyBackup(user_id, number)]))

    async def put(self, user_id: str, version: str, rooms: Rooms) -> tuple[str, int]:
        """Put keys into the current backup, where they are better than those it has; return etag and count.

        Raises `M_NOT_FOUND` if there is no backup, `M_WRONG_ROOM_KEYS_VERSION` if it is not the current one, and
        `M_INVALID_PARAM` for keys that are too large or too many.
        """
        async with self._locks(user_id):
            backup, count = await self.access(user_id)
            if _number(version) != backup.version:
                raise _wrong_version(backup.version)
            writes: list[Write] = []
            slices = Slices(self._clock)
            for room_id, sessions in rooms.items():
                for session_id, key in sessions.items():
                    await slices.pause()
                    _check_names(room_id, session_id)
                    known = await self._reader.key(user_id, backup.version, room_id, session_id)
                    data = _encoded(key.session_data)
                    if known is None or is_better(key, known):
                        writes.append(
                            PutBackedUpKey(user_id, backup.version, room_id, session_id, *key[:3], data)
                        )
                        count += known is None
            if count > MAX_KEYS:
                raise invalid_param(f"A backup may have at most {MAX_KEYS} keys.")
            if not writes:
                return str(backup.etag), count
            await self._journal.submit(Batch([*writes, ChangeKeyBackup(user_id, backup.version)]))
            return str(backup.etag + 1), count

    async def delete_keys(
        self, user_id: str, version: str, room_id: str | None = None, session_id: str | None = None
    ) -> tuple[str, int]:
        """Delete keys of a backup: all, those of a room, or one; return etag and count. Raises `M_NOT_FOUND`."""
        async with self._locks(user_id):
            backup, count = await self.access(user_id, version)
            if session_id is None:
                found = bool(await self._reader.keys(user_id, backup.version, room_id, ("", ""), 1))
            else:
                found = await self._reader.key(user_id, backup.version, room_id or "", session_id) is not None
            if not found:
                return str(backup.etag), count
            gone = DeleteBackedUpKeys(user_id, backup.version, room_id, session_id)
            await self._journal.submit(Batch([gone, ChangeKeyBackup(user_id, backup.version)]))
            return str(backup.etag + 1), await self._reader.count(user_id, backup.version)

    async def keys(
        self, user_id: str, version: str, room_id: str | None = None
    ) -> AsyncIterator[list[BackedUpKeyRow]]:
        """Iterate over the keys of a backup, or of one room in it, in pages in the order of rooms and sessions."""
        after = ("", "")
        while page := await self._reader.keys(user_id, _number(version), room_id, after, PAGE):
            yield page
            if len(page) < PAGE:
                return
            after = (page[-1].room_id, page[-1].session_id)

    async def key(self, user_id: str, version: str, room_id: str, session_id: str) -> BackedUpKeyRow:
        """Return one key; raises `M_NOT_FOUND`."""
        backup, _ = await self.access(user_id, version)
        found = await self._reader.key(user_id, backup.version, room_id, session_id)
        if found is None:
            raise not_found("There is no such key in the backup.")
        return found

    async def forget(self, user_id: str) -> None:
        """Delete all backups of a user whose account ends."""
        async with self._locks(user_id):
            await self._journal.submit(Batch([DeleteKeyBackups(user_id)]))


def _encoded(value: Mapping[str, Any]) -> bytes:
    encoded = encode_canonical(value)
    if len(encoded) > MAX_DATA_BYTES:
        raise invalid_param(
            f"What is kept of a key, or of a backup, may have at most {MAX_DATA_BYTES} bytes."
        )
    return encoded


def _check_names(room_id: str, session_id: str) -> None:
    for name in (room_id, session_id):
        if not name or len(name) > MAX_NAME_CHARS:
            raise invalid_param(f"Ids of rooms and sessions have between 1 and {MAX_NAME_CHARS} characters.")


def _number(version: str) -> int:
    """Return a version as it is stored; 0, which no backup has, for what cannot be one."""
    return int(version) if version.isascii() and version.isdecimal() and len(version) < 16 else 0


def _wrong_version(current: int) -> MatrixError:
    return MatrixError(
        403,
        "M_WRONG_ROOM_KEYS_VERSION",
        "This is not the current backup.",
        {"current_version": str(current)},
    )
