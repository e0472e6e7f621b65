"""User data on SQLite: statements of the writes, and the readers of `hamrasan.storage.ports.user_data`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hamrasan.storage.ports import user_data as port
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.user_data import AccountDataRow, ReceiptRow
from hamrasan.storage.sqlite.database import Database, Row

STATEMENTS: dict[type, str] = {
    port.PutAccountData: (
        "INSERT INTO account_data (user_id, room_id, type, content, position) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (user_id, room_id, type) DO UPDATE"
        " SET content = excluded.content, position = excluded.position"
    ),
    port.EraseAccountData: "DELETE FROM account_data WHERE user_id = ?",
    port.PutProfileField: (
        "INSERT INTO profile_fields (user_id, field, value) VALUES (?, ?, ?)"
        " ON CONFLICT (user_id, field) DO UPDATE SET value = excluded.value"
    ),
    port.DeleteProfileField: "DELETE FROM profile_fields WHERE user_id = ? AND field = ?",
    port.EraseProfile: "DELETE FROM profile_fields WHERE user_id = ?",
    port.PutReceipt: (
        "INSERT INTO receipts (room, user_id, type, thread_id, event_id, event_position, ts, position)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (user_id, room, type, thread_id) DO UPDATE SET event_id = excluded.event_id,"
        " event_position = excluded.event_position, ts = excluded.ts, position = excluded.position"
    ),
    port.EraseReceipts: "DELETE FROM receipts WHERE user_id = ?",
    port.EraseRoomReceipts: "DELETE FROM receipts WHERE room = ?",
    port.PutFilter: (
        "INSERT INTO filters (user_id, filter_id, content) VALUES (?, ?, ?) ON CONFLICT (user_id, filter_id) DO NOTHING"
    ),
    port.EraseFilters: "DELETE FROM filters WHERE user_id = ?",
}

INLINE_ROWS = 100
"""Rows that are read on the loop's thread; a change list that is longer is read again in a reader thread."""
_CHUNK = 500
"""Values in one `IN (...)`: below the parameter limit of every SQLite build."""

_ACCOUNT_DATA = "SELECT room_id, type, content, position FROM account_data "
_NAMES = "SELECT user_id, field, value FROM profile_fields WHERE field IN ('displayname', 'avatar_url') AND user_id IN "
_RECEIPT = "SELECT room, user_id, type, thread_id, event_id, event_position, ts, position FROM receipts "


async def _changes(database: Database, sql: str, parameters: tuple[Any, ...]) -> list[Row]:
    """Return the rows of a read that is short almost always, without a change of thread when it is."""
    rows = database.rows(sql + " LIMIT ?", (*parameters, INLINE_ROWS))
    return rows if len(rows) < INLINE_ROWS else await database.scan(sql, parameters)


class SqliteAccountData:
    """Reads account data."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: str, room_id: str, type: str) -> bytes | None:
        """Return the content under a type."""
        sql = "SELECT content FROM account_data WHERE user_id = ? AND room_id = ? AND type = ?"
        row = self._database.get(sql, (user_id, room_id, type))
        return None if row is None else row[0]

    async def all_of(self, user_id: str) -> list[AccountDataRow]:
        """Return all account data of a user."""
        rows = await self._database.scan(_ACCOUNT_DATA + "WHERE user_id = ? ORDER BY position", (user_id,))
        return [AccountDataRow._make(row) for row in rows]

    async def of_room(self, user_id: str, room_id: str) -> list[AccountDataRow]:
        """Return a user's account data of one room."""
        sql = _ACCOUNT_DATA + "WHERE user_id = ? AND room_id = ? ORDER BY position"
        return [AccountDataRow._make(row) for row in await _changes(self._database, sql, (user_id, room_id))]

    async def of_type(self, user_id: str, type: str) -> list[AccountDataRow]:
        """Return a user's account data of one type."""
        sql = _ACCOUNT_DATA + "WHERE user_id = ? AND type = ? ORDER BY position"
        rows = await self._database.scan(sql, (user_id, type))
        return [AccountDataRow._make(row) for row in rows]

    async def changed_since(self, user_id: str, after: Position, upto: Position) -> list[AccountDataRow]:
        """Return what was last set with after < position <= upto."""
        sql = _ACCOUNT_DATA + "WHERE user_id = ? AND position > ? AND position <= ? ORDER BY position"
        rows = await _changes(self._database, sql, (user_id, after, upto))
        return [AccountDataRow._make(row) for row in rows]

    async def bytes_of(self, user_id: str) -> int:
        """Return how many bytes a user's account data takes."""
        sql = (
            "SELECT coalesce(sum(length(content) + length(room_id) + length(type)), 0)"
            " FROM account_data WHERE user_id = ?"
        )
        rows = await self._database.scan(sql, (user_id,))
        total: int = rows[0][0]
        return total


class SqliteProfiles:
    """Reads profiles."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_id: str) -> dict[str, bytes]:
        """Return the fields of a profile."""
        sql = "SELECT field, value FROM profile_fields WHERE user_id = ? ORDER BY field"
        return dict(self._database.rows(sql, (user_id,)))

    async def field(self, user_id: str, field: str) -> bytes | None:
        """Return the JSON value of one field."""
        sql = "SELECT value FROM profile_fields WHERE user_id = ? AND field = ?"
        row = self._database.get(sql, (user_id, field))
        return None if row is None else row[0]

    async def names(self, user_ids: Sequence[str]) -> dict[str, dict[str, bytes]]:
        """Return `displayname` and `avatar_url` of those users who have them."""
        names: dict[str, dict[str, bytes]] = {}
        for start in range(0, len(user_ids), _CHUNK):
            chunk = user_ids[start : start + _CHUNK]
            sql = _NAMES + "(" + ", ".join("?" * len(chunk)) + ")"
            rows = (
                self._database.rows(sql, chunk)
                if len(user_ids) <= INLINE_ROWS
                else await self._database.scan(sql, chunk)
            )
            for user_id, field, value in rows:
                names.setdefault(user_id, {})[field] = value
        return names


class SqliteReceipts:
    """Reads receipts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_room(self, room: int, after: Position, upto: Position, reader: str) -> list[ReceiptRow]:
        """Return the receipts of a room that last moved with after < position <= upto and `reader` may see."""
        sql = (
            _RECEIPT + "WHERE room = ? AND position > ? AND position <= ? AND (type = ? OR user_id = ?)"
            " ORDER BY position"
        )
        rows = await _changes(self._database, sql, (room, after, upto, port.READ, reader))
        return [ReceiptRow._make(row) for row in rows]

    async def of_user(self, user_id: str) -> list[ReceiptRow]:
        """Return all receipts of a user."""
        rows = await self._database.scan(_RECEIPT + "WHERE user_id = ? ORDER BY position", (user_id,))
        return [ReceiptRow._make(row) for row in rows]

    async def of_user_in_room(self, user_id: str, room: int) -> list[ReceiptRow]:
        """Return a user's receipts in one room."""
        sql = _RECEIPT + "WHERE user_id = ? AND room = ? ORDER BY position"
        return [ReceiptRow._make(row) for row in await _changes(self._database, sql, (user_id, room))]


class SqliteFilters:
    """Reads filters."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: str, filter_id: str) -> bytes | None:
        """Return the JSON of a user's filter."""
        sql = "SELECT content FROM filters WHERE user_id = ? AND filter_id = ?"
        row = self._database.get(sql, (user_id, filter_id))
        return None if row is None else row[0]

    async def count(self, user_id: str) -> int:
        """Return how many filters a user has."""
        row = self._database.get("SELECT count(*) FROM filters WHERE user_id = ?", (user_id,))
        return row[0] if row else 0
