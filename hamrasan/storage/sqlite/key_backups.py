"""Backups of room keys on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.key_backups`."""

from __future__ import annotations

from hamrasan.storage.ports import key_backups as port
from hamrasan.storage.ports.key_backups import BackedUpKeyRow, KeyBackupRow
from hamrasan.storage.sqlite.database import Database, Row

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.NewKeyBackup: (
        "INSERT INTO key_backups (user_id, version, algorithm, auth_data, etag, deleted) VALUES (?, ?, ?, ?, 0, 0)"
    ),
    port.UpdateKeyBackup: "UPDATE key_backups SET auth_data = ? WHERE user_id = ? AND version = ?",
    port.DeleteKeyBackup: (
        "UPDATE key_backups SET deleted = 1, auth_data = x'' WHERE user_id = ? AND version = ?",
        "DELETE FROM backed_up_keys WHERE user_id = ? AND version = ?",
    ),
    port.DeleteKeyBackups: (
        "DELETE FROM key_backups WHERE user_id = ?",
        "DELETE FROM backed_up_keys WHERE user_id = ?",
    ),
    port.PutBackedUpKey: (
        "INSERT INTO backed_up_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET"
        " first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count,"
        " is_verified = excluded.is_verified, session_data = excluded.session_data"
    ),
    port.DeleteBackedUpKeys: (
        "DELETE FROM backed_up_keys WHERE user_id = ?1 AND version = ?2"
        " AND (?3 IS NULL OR room_id = ?3) AND (?4 IS NULL OR session_id = ?4)"
    ),
    port.ChangeKeyBackup: "UPDATE key_backups SET etag = etag + 1 WHERE user_id = ? AND version = ?",
}

_BACKUP = "SELECT version, algorithm, auth_data, etag FROM key_backups WHERE user_id = ? AND deleted = 0"
_KEY = (
    "SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data"
    " FROM backed_up_keys WHERE user_id = ? AND version = ? "
)


class SqliteKeyBackups:
    """Reads backups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self, user_id: str) -> KeyBackupRow | None:
        """Return the latest backup that was not deleted."""
        row = self._database.get(_BACKUP + " ORDER BY version DESC LIMIT 1", (user_id,))
        return None if row is None else KeyBackupRow._make(row)

    async def backup(self, user_id: str, version: int) -> KeyBackupRow | None:
        """Return a backup that was not deleted."""
        row = self._database.get(_BACKUP + " AND version = ?", (user_id, version))
        return None if row is None else KeyBackupRow._make(row)

    async def last_version(self, user_id: str) -> int:
        """Return the highest number of any backup that the user ever had."""
        row = self._database.get("SELECT max(version) FROM key_backups WHERE user_id = ?", (user_id,))
        return row[0] or 0 if row else 0

    async def count(self, user_id: str, version: int) -> int:
        """Return the number of keys in a backup."""
        rows = await self._database.scan(
            "SELECT count(*) FROM backed_up_keys WHERE user_id = ? AND version = ?", (user_id, version)
        )
        return int(rows[0][0])

    async def keys(
        self, user_id: str, version: int, room_id: str | None, after: tuple[str, str], limit: int
    ) -> list[BackedUpKeyRow]:
        """Return at most `limit` keys, of one room or all, in the order of room and session."""
        if room_id is None:
            sql = _KEY + "AND (room_id, session_id) > (?, ?) ORDER BY room_id, session_id LIMIT ?"
            return await self._database.scan(sql, (user_id, version, *after, limit), _key)
        sql = _KEY + "AND room_id = ? AND session_id > ? ORDER BY session_id LIMIT ?"
        return await self._database.scan(sql, (user_id, version, room_id, after[1], limit), _key)

    async def key(self, user_id: str, version: int, room_id: str, session_id: str) -> BackedUpKeyRow | None:
        """Return one key."""
        sql = _KEY + "AND room_id = ? AND session_id = ?"
        row = self._database.get(sql, (user_id, version, room_id, session_id))
        return None if row is None else _key(row)


def _key(row: Row) -> BackedUpKeyRow:
    return BackedUpKeyRow(row[0], row[1], row[2], row[3], bool(row[4]), row[5])
