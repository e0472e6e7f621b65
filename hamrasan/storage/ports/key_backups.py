"""What is kept of backups of room keys (client-server API, "Server-side key backups")."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class NewKeyBackup(NamedTuple):
    """A backup begins; it is the current one from now on."""

    user_id: str
    version: int
    algorithm: str
    auth_data: bytes


class UpdateKeyBackup(NamedTuple):
    """A backup is described anew."""

    auth_data: bytes
    user_id: str
    version: int


class DeleteKeyBackup(NamedTuple):
    """A backup is gone, with its keys."""

    user_id: str
    version: int


class DeleteKeyBackups(NamedTuple):
    """All backups of a user are gone."""

    user_id: str


class PutBackedUpKey(NamedTuple):
    """A key is in the backup; replaces the former one of the same session."""

    user_id: str
    version: int
    room_id: str
    session_id: str
    first_message_index: int
    forwarded_count: int
    is_verified: bool
    session_data: bytes
    """Canonical JSON."""


class DeleteBackedUpKeys(NamedTuple):
    """Keys of a backup are gone: all, those of a room, or one."""

    user_id: str
    version: int
    room_id: str | None
    session_id: str | None


class ChangeKeyBackup(NamedTuple):
    """The keys of a backup have changed: its etag is another one."""

    user_id: str
    version: int


class KeyBackupRow(NamedTuple):
    """A backup."""

    version: int
    algorithm: str
    auth_data: bytes
    etag: int


class BackedUpKeyRow(NamedTuple):
    """A key in a backup."""

    room_id: str
    session_id: str
    first_message_index: int
    forwarded_count: int
    is_verified: bool
    session_data: bytes


class KeyBackupReader(Protocol):
    """Reads backups."""

    async def current(self, user_id: str) -> KeyBackupRow | None:
        """Return the latest backup that was not deleted."""

    async def backup(self, user_id: str, version: int) -> KeyBackupRow | None:
        """Return a backup that was not deleted."""

    async def last_version(self, user_id: str) -> int:
        """Return the highest number of any backup that the user ever had; 0 if there is none."""

    async def count(self, user_id: str, version: int) -> int:
        """Return the number of keys in a backup."""

    async def keys(
        self, user_id: str, version: int, room_id: str | None, after: tuple[str, str], limit: int
    ) -> list[BackedUpKeyRow]:
        """Return at most `limit` keys, of one room or all, behind a room id and session id, in the order of these."""

    async def key(self, user_id: str, version: int, room_id: str, session_id: str) -> BackedUpKeyRow | None:
        """Return one key."""
