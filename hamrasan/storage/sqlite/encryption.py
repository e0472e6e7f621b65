"""Keys and messages between devices on SQLite: statements, and the reader of `hamrasan.storage.ports.encryption`."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.storage.ports import encryption as port
from hamrasan.storage.ports.encryption import (
    DeviceKeysRow,
    FallbackKeyRow,
    KeyCounts,
    OneTimeKeyRow,
    ToDeviceRow,
    WaitingRow,
)
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.sqlite.database import Database
from hamrasan.storage.sqlite.rooms import chunks, marks

_IF_THERE = " WHERE EXISTS (SELECT 1 FROM devices WHERE user_id = ?1 AND device_id = ?2)"
"""A device may be deleted while its keys are on their way; the next one of its name must not have them."""

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.PutDeviceKeys: (
        "INSERT INTO device_keys (user_id, device_id, keys) SELECT ?1, ?2, ?3"
        + _IF_THERE
        + " ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys"
    ),
    port.NewOneTimeKey: (
        "INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, key) SELECT ?1, ?2, ?3, ?4, ?5"
        + _IF_THERE
    ),
    port.TakeOneTimeKey: (
        "UPDATE one_time_keys SET key = NULL WHERE number = ?",
        # Those that were taken are remembered while a million more come in: far longer than anybody repeats an upload.
        "DELETE FROM one_time_keys WHERE key IS NULL AND number < ? - 1000000",
    ),
    port.PutFallbackKey: (
        "INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, key, used) SELECT ?1, ?2, ?3, ?4, ?5, 0"
        + _IF_THERE
        + " ON CONFLICT (user_id, device_id, algorithm)"
        " DO UPDATE SET key_id = excluded.key_id, key = excluded.key, used = 0"
    ),
    port.UseFallbackKey: (
        "UPDATE fallback_keys SET used = 1 WHERE user_id = ? AND device_id = ? AND algorithm = ?"
    ),
    port.NewToDeviceMessage: (
        "INSERT INTO to_device_messages (user_id, device_id, position, number, message) VALUES (?, ?, ?, ?, ?)"
    ),
    port.AcknowledgeToDeviceMessages: (
        "DELETE FROM to_device_messages WHERE user_id = ? AND device_id = ? AND position <= ?"
    ),
    port.DropOldToDeviceMessages: (
        "DELETE FROM to_device_messages WHERE user_id = ?1 AND device_id = ?2 AND position < ("
        "SELECT position FROM to_device_messages WHERE user_id = ?1 AND device_id = ?2"
        " ORDER BY position DESC LIMIT 1 OFFSET ?3 - 1)"
    ),
    port.NoteToDeviceTransaction: (
        "INSERT INTO to_device_transactions (user_id, device_id, txn_id, sent_ts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (user_id, device_id, txn_id) DO NOTHING"
    ),
    port.ForgetToDeviceTransactions: "DELETE FROM to_device_transactions WHERE sent_ts < ?",
}

APPENDS: frozenset[type] = frozenset({port.NewToDeviceMessage})
"""A message to everybody in a large room is a row for each of their devices."""

AFTER_APPENDS: frozenset[type] = frozenset({port.DropOldToDeviceMessages})

DELETE_WITH_DEVICE = (
    "DELETE FROM device_keys WHERE user_id = ? AND device_id = ?",
    "DELETE FROM one_time_keys WHERE user_id = ? AND device_id = ?",
    "DELETE FROM fallback_keys WHERE user_id = ? AND device_id = ?",
    "DELETE FROM to_device_messages WHERE user_id = ? AND device_id = ?",
    "DELETE FROM to_device_transactions WHERE user_id = ? AND device_id = ?",
    "DELETE FROM dehydrated_devices WHERE user_id = ? AND device_id = ?",
    "DELETE FROM key_signatures WHERE user_id = ? AND key_id = ?",
    "DELETE FROM key_signatures WHERE signer = ? AND signer_key_id = 'ed25519:' || ?",
)
"""What goes in the same commit as the device, so that a new one of the same name has nothing of it."""

_DEVICE_KEYS = (
    "SELECT k.user_id, k.device_id, k.keys, d.display_name FROM device_keys k"
    " JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id WHERE k.user_id IN "
)


_WAITING_COUNTS = (
    "SELECT user_id, device_id, count(*), sum(length(message)) FROM to_device_messages WHERE user_id IN "
)


class SqliteEncryption:
    """Reads keys and waiting messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def device_keys(self, user_ids: Sequence[str]) -> list[DeviceKeysRow]:
        """Return the identity keys of all devices of these users."""
        found: list[DeviceKeysRow] = []
        for chunk in chunks(user_ids):
            sql = _DEVICE_KEYS + marks(len(chunk))
            found += await self._database.scan(sql, chunk, DeviceKeysRow._make)
        return found

    async def keys_of_device(self, user_id: str, device_id: str) -> bytes | None:
        """Return the identity keys of one device."""
        sql = "SELECT keys FROM device_keys WHERE user_id = ? AND device_id = ?"
        row = self._database.get(sql, (user_id, device_id))
        return None if row is None else row[0]

    async def next_one_time_key(self, user_id: str, device_id: str, algorithm: str) -> OneTimeKeyRow | None:
        """Return the key that is to be handed out next."""
        row = self._database.get(
            "SELECT number, key_id, key FROM one_time_keys"
            " WHERE user_id = ? AND device_id = ? AND algorithm = ? AND key IS NOT NULL ORDER BY number LIMIT 1",
            (user_id, device_id, algorithm),
        )
        return None if row is None else OneTimeKeyRow._make(row)

    async def one_time_key(
        self, user_id: str, device_id: str, algorithm: str, key_id: str
    ) -> tuple[bytes | None] | None:
        """Return a key, None in its place if it was handed out."""
        row = self._database.get(
            "SELECT key FROM one_time_keys WHERE user_id = ? AND device_id = ? AND algorithm = ? AND key_id = ?",
            (user_id, device_id, algorithm, key_id),
        )
        return None if row is None else (row[0],)

    async def fallback_key(self, user_id: str, device_id: str, algorithm: str) -> FallbackKeyRow | None:
        """Return the fallback key of an algorithm."""
        row = self._database.get(
            "SELECT key_id, key, used FROM fallback_keys WHERE user_id = ? AND device_id = ? AND algorithm = ?",
            (user_id, device_id, algorithm),
        )
        return None if row is None else FallbackKeyRow(row[0], row[1], bool(row[2]))

    async def key_counts(self, user_id: str, device_id: str) -> KeyCounts:
        """Return how many keys a device has on the server."""
        one_time = self._database.rows(
            "SELECT algorithm, count(key) FROM one_time_keys WHERE user_id = ? AND device_id = ? GROUP BY algorithm",
            (user_id, device_id),
        )
        fallback = self._database.rows(
            "SELECT algorithm FROM fallback_keys WHERE user_id = ? AND device_id = ? AND used = 0"
            " ORDER BY algorithm",
            (user_id, device_id),
        )
        return KeyCounts(dict(one_time), [algorithm for (algorithm,) in fallback])

    async def waiting(
        self, user_id: str, device_id: str, after: Position, upto: Position, limit: int
    ) -> list[ToDeviceRow]:
        """Return at most `limit` messages with after < position <= upto, the oldest first."""
        rows = self._database.rows(
            "SELECT position, message FROM to_device_messages WHERE user_id = ? AND device_id = ?"
            " AND position > ? AND position <= ? ORDER BY position, number LIMIT ?",
            (user_id, device_id, after, upto, limit),
        )
        return [ToDeviceRow._make(row) for row in rows]

    async def waiting_counts(self, user_ids: Sequence[str]) -> list[WaitingRow]:
        """Return how much waits for the devices of these users for which anything does."""
        found: list[WaitingRow] = []
        for chunk in chunks(user_ids):
            sql = _WAITING_COUNTS + marks(len(chunk)) + " GROUP BY user_id, device_id"
            found += await self._database.scan(sql, chunk, WaitingRow._make)
        return found

    async def devices_waited_for(self, user_id: str) -> dict[str, tuple[Position, Position]]:
        """Return, for each device of a user for which something waits, the positions of the first and the last."""
        rows = self._database.rows(
            "SELECT device_id, min(position), max(position) FROM to_device_messages WHERE user_id = ?"
            " GROUP BY device_id",
            (user_id,),
        )
        return {device_id: (first, last) for device_id, first, last in rows}

    async def is_sent(self, user_id: str, device_id: str, txn_id: str) -> bool:
        """Return whether a device has sent messages with this transaction id."""
        sql = "SELECT 1 FROM to_device_transactions WHERE user_id = ? AND device_id = ? AND txn_id = ?"
        return self._database.get(sql, (user_id, device_id, txn_id)) is not None
