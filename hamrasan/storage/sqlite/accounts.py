"""Accounts on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.accounts`."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.storage.ports import accounts as port
from hamrasan.storage.ports.accounts import AccountRow
from hamrasan.storage.sqlite.database import Database, Row

STATEMENTS: dict[type, str] = {
    port.NewAccount: (
        "INSERT INTO accounts (user_id, password_hash, is_admin, created_ts, application_service)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (user_id) DO NOTHING"
    ),
    port.SetPassword: "UPDATE accounts SET password_hash = ? WHERE user_id = ? AND deactivated = 0",
    port.RehashPassword: "UPDATE accounts SET password_hash = ? WHERE user_id = ? AND password_hash = ?",
    port.SetAdmin: "UPDATE accounts SET is_admin = ? WHERE user_id = ? AND deactivated = 0",
    port.SetLocked: "UPDATE accounts SET locked = ? WHERE user_id = ?",
    port.SetSuspended: "UPDATE accounts SET suspended = ? WHERE user_id = ?",
    port.DeactivateAccount: (
        "UPDATE accounts SET deactivated = 1, departing = 1, erased = max(erased, ?), password_hash = NULL,"
        " is_admin = 0 WHERE user_id = ?"
    ),
    port.FinishDeparture: "UPDATE accounts SET departing = 0 WHERE user_id = ?",
    port.AnnounceOutsideChange: "UPDATE outside_changes SET count = count + 1",
}

_SELECT = (
    "SELECT user_id, password_hash, is_admin, created_ts, application_service, deactivated, departing, erased,"
    " locked, suspended FROM accounts "
)


def _account(row: Row) -> AccountRow:
    user_id, password_hash, is_admin, created_ts, application_service, *flags = row
    return AccountRow(
        user_id, password_hash, bool(is_admin), created_ts, application_service, *map(bool, flags)
    )


class SqliteAccounts:
    """Reads accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def account(self, user_id: str) -> AccountRow | None:
        """Return the account of this user."""
        row = self._database.get(_SELECT + "WHERE user_id = ?", (user_id,))
        return None if row is None else _account(row)

    async def page(self, after: str, limit: int) -> list[AccountRow]:
        """Return at most `limit` accounts with user ids above `after`."""
        sql = _SELECT + "WHERE user_id > ? ORDER BY user_id LIMIT ?"
        return [_account(row) for row in self._database.rows(sql, (after, limit))]

    async def departing(self) -> list[AccountRow]:
        """Return the deactivated accounts for which something is left to be done."""
        return [
            _account(row) for row in self._database.rows(_SELECT + "WHERE departing = 1 ORDER BY user_id")
        ]

    async def erased(self, user_ids: Sequence[str]) -> set[str]:
        """Return those of the users whose content is to be erased."""
        sql = "SELECT 1 FROM accounts WHERE user_id = ? AND erased = 1"
        return {user_id for user_id in user_ids if self._database.get(sql, (user_id,))}

    async def outside_changes(self) -> int:
        """Return how many changes other processes have announced so far."""
        row = self._database.get("SELECT count FROM outside_changes")
        return row[0] if row else 0
