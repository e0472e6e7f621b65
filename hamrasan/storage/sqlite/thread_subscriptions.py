"""Subscriptions to threads on SQLite."""

from __future__ import annotations

from typing import Any

from hamrasan.storage.ports import thread_subscriptions as port
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.thread_subscriptions import ThreadSubscriptionRow
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.PutThreadSubscription: (
        "INSERT INTO thread_subscriptions (user_id, thread_root, room_id, subscribed, automatic, position)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, thread_root) DO UPDATE SET"
        " subscribed = excluded.subscribed, automatic = excluded.automatic, position = excluded.position"
    ),
    port.StartThreadSubscriptions: (
        "INSERT INTO thread_subscribers (user_id) VALUES (?) ON CONFLICT (user_id) DO NOTHING"
    ),
    port.EraseThreadSubscriptions: (
        "DELETE FROM thread_subscriptions WHERE user_id = ?",
        "DELETE FROM thread_subscribers WHERE user_id = ?",
    ),
}

_SELECT = "SELECT room_id, thread_root, subscribed, automatic, position FROM thread_subscriptions "


def _row(values: tuple[Any, ...]) -> ThreadSubscriptionRow:
    room_id, thread_root, subscribed, automatic, position = values
    return ThreadSubscriptionRow(room_id, thread_root, bool(subscribed), bool(automatic), position)


class SqliteThreadSubscriptions:
    """Reads subscriptions to threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: str, thread_root: str) -> ThreadSubscriptionRow | None:
        """Return what a user last said about a thread."""
        row = self._database.get(_SELECT + "WHERE user_id = ? AND thread_root = ?", (user_id, thread_root))
        return None if row is None else _row(row)

    async def count(self, user_id: str) -> int:
        """Return about how many threads a user has said something."""
        # In a reader thread: those who follow most have tens of thousands.
        sql = "SELECT count(*) FROM thread_subscriptions WHERE user_id = ?"
        total: int = (await self._database.scan(sql, (user_id,)))[0][0]
        return total

    async def changes(
        self, user_id: str, after: Position, upto: Position, limit: int
    ) -> list[ThreadSubscriptionRow]:
        """Return the latest changes with after < position <= upto, the last one first."""
        sql = _SELECT + "WHERE user_id = ? AND position > ? AND position <= ? ORDER BY position DESC LIMIT ?"
        return [_row(row) for row in self._database.rows(sql, (user_id, after, upto, limit))]

    async def has_started(self, user_id: str) -> bool:
        """Return whether a user has used clients that know of subscriptions."""
        sql = "SELECT 1 FROM thread_subscribers WHERE user_id = ?"
        return self._database.get(sql, (user_id,)) is not None
