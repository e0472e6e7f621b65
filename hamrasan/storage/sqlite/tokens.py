"""Tokens on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.tokens`."""

from __future__ import annotations

from hamrasan.storage.ports import tokens as port
from hamrasan.storage.ports.tokens import (
    AccessTokenRow,
    OneUseTokenRow,
    RefreshTokenRow,
    RegistrationTokenRow,
)
from hamrasan.storage.sqlite.database import Database, Row

STATEMENTS: dict[type, str] = {
    port.NewAccessToken: (
        "INSERT INTO access_tokens (token_id, token_hash, user_id, device_id, created_ts, expires_ts, refresh_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
    ),
    port.NewRefreshToken: (
        "INSERT INTO refresh_tokens (refresh_id, token_hash, user_id, device_id, created_ts, replaces)"
        " VALUES (?, ?, ?, ?, ?, ?)"
    ),
    port.SettleRefreshToken: "UPDATE refresh_tokens SET replaces = NULL WHERE refresh_id = ?",
    port.DeleteAccessToken: "DELETE FROM access_tokens WHERE token_id = ?",
    port.DeleteRefreshToken: "DELETE FROM refresh_tokens WHERE refresh_id = ?",
    port.DeleteRefreshedAccessTokens: "DELETE FROM access_tokens WHERE refresh_id = ?",
    port.DeleteDeviceAccessTokens: "DELETE FROM access_tokens WHERE user_id = ? AND device_id = ?",
    port.DeleteDeviceRefreshTokens: "DELETE FROM refresh_tokens WHERE user_id = ? AND device_id = ?",
    port.DeleteUserAccessTokens: "DELETE FROM access_tokens WHERE user_id = ?",
    port.DeleteUserRefreshTokens: "DELETE FROM refresh_tokens WHERE user_id = ?",
    port.NewLoginToken: "INSERT INTO login_tokens (token_hash, user_id, expires_ts) VALUES (?, ?, ?)",
    port.DeleteLoginToken: "DELETE FROM login_tokens WHERE token_hash = ?",
    port.DeleteExpiredLoginTokens: "DELETE FROM login_tokens WHERE expires_ts < ?",
    port.NewOpenIdToken: "INSERT INTO openid_tokens (token_hash, user_id, expires_ts) VALUES (?, ?, ?)",
    port.DeleteUserOpenIdTokens: "DELETE FROM openid_tokens WHERE user_id = ?",
    port.DeleteExpiredOpenIdTokens: "DELETE FROM openid_tokens WHERE expires_ts < ?",
    port.PutRegistrationToken: (
        "INSERT INTO registration_tokens (token, uses_allowed, completed, expires_ts, created_ts)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (token) DO UPDATE SET uses_allowed = excluded.uses_allowed,"
        " expires_ts = excluded.expires_ts"
    ),
    port.CompleteRegistrationToken: "UPDATE registration_tokens SET completed = completed + 1 WHERE token = ?",
    port.DeleteRegistrationToken: "DELETE FROM registration_tokens WHERE token = ?",
}

_SELECT_ACCESS_TOKEN = (
    "SELECT t.token_id, t.user_id, t.device_id, t.created_ts, t.expires_ts, t.refresh_id, r.replaces,"
    " a.is_admin, a.locked, a.suspended FROM access_tokens t"
    " JOIN accounts a ON a.user_id = t.user_id AND a.deactivated = 0"
    " LEFT JOIN refresh_tokens r ON r.refresh_id = t.refresh_id "
)
_SELECT_REGISTRATION_TOKEN = (
    "SELECT token, uses_allowed, completed, expires_ts, created_ts FROM registration_tokens "
)


def _access_token(row: Row) -> AccessTokenRow:
    return AccessTokenRow(*row[:7], *map(bool, row[7:]))


class SqliteTokens:
    """Reads tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def access_token(self, token_hash: bytes) -> AccessTokenRow | None:
        """Return the access token with this hash."""
        row = self._database.get(_SELECT_ACCESS_TOKEN + "WHERE t.token_hash = ?", (token_hash,))
        return None if row is None else _access_token(row)

    async def access_tokens(self, user_id: str) -> list[AccessTokenRow]:
        """Return a user's access tokens, the oldest first."""
        sql = _SELECT_ACCESS_TOKEN + "WHERE t.user_id = ? ORDER BY t.created_ts, t.token_id"
        return [_access_token(row) for row in self._database.rows(sql, (user_id,))]

    async def refresh_token(self, token_hash: bytes) -> RefreshTokenRow | None:
        """Return the refresh token with this hash."""
        row = self._database.get(
            "SELECT r.refresh_id, r.user_id, r.device_id, r.replaces,"
            " (SELECT n.refresh_id FROM refresh_tokens n WHERE n.replaces = r.refresh_id), a.locked"
            " FROM refresh_tokens r JOIN accounts a ON a.user_id = r.user_id AND a.deactivated = 0"
            " WHERE r.token_hash = ?",
            (token_hash,),
        )
        if row is None:
            return None
        refresh_id, owner, device_id, replaces, replaced_by, locked = row
        return RefreshTokenRow(refresh_id, owner, device_id, replaces, replaced_by, bool(locked))

    async def login_token(self, token_hash: bytes) -> OneUseTokenRow | None:
        """Return the login token with this hash."""
        row = self._database.get(
            "SELECT t.user_id, t.expires_ts FROM login_tokens t"
            " JOIN accounts a ON a.user_id = t.user_id AND a.deactivated = 0 WHERE t.token_hash = ?",
            (token_hash,),
        )
        return None if row is None else OneUseTokenRow._make(row)

    async def openid_token(self, token_hash: bytes) -> OneUseTokenRow | None:
        """Return the OpenID token with this hash."""
        row = self._database.get(
            "SELECT t.user_id, t.expires_ts FROM openid_tokens t"
            " JOIN accounts a ON a.user_id = t.user_id AND a.deactivated = 0 WHERE t.token_hash = ?",
            (token_hash,),
        )
        return None if row is None else OneUseTokenRow._make(row)

    async def registration_token(self, token: str) -> RegistrationTokenRow | None:
        """Return this registration token."""
        row = self._database.get(_SELECT_REGISTRATION_TOKEN + "WHERE token = ?", (token,))
        return None if row is None else RegistrationTokenRow._make(row)

    async def registration_tokens(self) -> list[RegistrationTokenRow]:
        """Return every registration token, in the order of their making."""
        rows = await self._database.scan(_SELECT_REGISTRATION_TOKEN + "ORDER BY created_ts, token")
        return [RegistrationTokenRow._make(row) for row in rows]
