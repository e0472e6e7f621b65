"""The OAuth 2.0 API on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.oauth`."""

from __future__ import annotations

from hamrasan.storage.ports import oauth as port
from hamrasan.storage.ports.oauth import (
    BrowserSessionRow,
    DeviceGrantRow,
    OAuthClientRow,
    OAuthCodeRow,
    OAuthSessionRow,
)
from hamrasan.storage.sqlite.database import Database

DELETE_WITH_DEVICE = ("DELETE FROM oauth_sessions WHERE user_id = ? AND device_id = ?",)
"""What goes in the same commit as the device."""

STATEMENTS: dict[type, str] = {
    port.PutOAuthClient: (
        "INSERT INTO oauth_clients (client_id, metadata, registered_ts) VALUES (?, ?, ?)"
        " ON CONFLICT (client_id) DO UPDATE SET registered_ts = excluded.registered_ts"
    ),
    port.DeleteIdleOAuthClients: (
        "DELETE FROM oauth_clients WHERE registered_ts < ? AND NOT EXISTS"
        " (SELECT 1 FROM oauth_sessions s WHERE s.client_id = oauth_clients.client_id)"
    ),
    port.NewOAuthCode: (
        "INSERT INTO oauth_codes (code_hash, client_id, redirect_uri, user_id, device_id, scope, challenge,"
        " expires_ts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    port.RedeemOAuthCode: "UPDATE oauth_codes SET redeemed = 1 WHERE code_hash = ?",
    port.DeleteExpiredOAuthCodes: "DELETE FROM oauth_codes WHERE expires_ts < ?",
    port.NewDeviceGrant: (
        "INSERT INTO oauth_device_grants (device_code_hash, user_code, client_id, device_id, scope, expires_ts)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_code) DO NOTHING"
    ),
    port.DecideDeviceGrant: (
        "UPDATE oauth_device_grants SET decision = ?, user_id = ? WHERE device_code_hash = ? AND decision = ?"
    ),
    port.DeleteExpiredDeviceGrants: "DELETE FROM oauth_device_grants WHERE expires_ts < ?",
    port.PutOAuthSession: (
        "INSERT INTO oauth_sessions (user_id, device_id, client_id, scope, grant_hash, family_hash, created_ts)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id, device_id) DO UPDATE SET"
        " client_id = excluded.client_id, scope = excluded.scope, grant_hash = excluded.grant_hash,"
        " family_hash = excluded.family_hash, created_ts = excluded.created_ts"
    ),
    port.DeleteOAuthSession: "DELETE FROM oauth_sessions WHERE user_id = ? AND device_id = ?",
    port.NewBrowserSession: (
        "INSERT INTO browser_sessions (session_hash, user_id, created_ts, confirmed_ts, expires_ts)"
        " VALUES (?, ?, ?, ?, ?)"
    ),
    port.ConfirmBrowserSession: "UPDATE browser_sessions SET confirmed_ts = ? WHERE session_hash = ?",
    port.DeleteBrowserSession: "DELETE FROM browser_sessions WHERE session_hash = ?",
    port.DeleteUserBrowserSessions: "DELETE FROM browser_sessions WHERE user_id = ?",
    port.DeleteExpiredBrowserSessions: "DELETE FROM browser_sessions WHERE expires_ts < ?",
}

_SELECT_DEVICE_GRANT = (
    "SELECT device_code_hash, user_code, client_id, device_id, scope, expires_ts, decision, user_id"
    " FROM oauth_device_grants "
)
_SELECT_SESSION = (
    "SELECT s.user_id, s.device_id, s.client_id, s.scope, s.grant_hash, s.created_ts FROM oauth_sessions s"
    " JOIN accounts a ON a.user_id = s.user_id AND a.deactivated = 0 "
)


class SqliteOAuth:
    """Reads what belongs to the OAuth 2.0 API."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def client(self, client_id: str) -> OAuthClientRow | None:
        """Return the client with this id."""
        sql = "SELECT client_id, metadata FROM oauth_clients WHERE client_id = ?"
        row = self._database.get(sql, (client_id,))
        return None if row is None else OAuthClientRow._make(row)

    async def idle_clients_before(self, keep: int) -> int | None:
        """Return a time before which clients are to go so that about `keep` without a session remain."""
        rows = await self._database.scan(
            "SELECT registered_ts FROM oauth_clients c WHERE NOT EXISTS"
            " (SELECT 1 FROM oauth_sessions s WHERE s.client_id = c.client_id)"
            " ORDER BY registered_ts DESC LIMIT 1 OFFSET ?",
            (keep,),
        )
        return rows[0][0] + 1 if rows else None

    async def code(self, code_hash: bytes) -> OAuthCodeRow | None:
        """Return the code with this hash, redeemed or not."""
        row = self._database.get(
            "SELECT c.client_id, c.redirect_uri, c.user_id, c.device_id, c.scope, c.challenge, c.expires_ts,"
            " c.redeemed FROM oauth_codes c JOIN accounts a ON a.user_id = c.user_id AND a.deactivated = 0"
            " WHERE c.code_hash = ?",
            (code_hash,),
        )
        return None if row is None else OAuthCodeRow._make((*row[:7], bool(row[7])))

    async def device_grant(self, device_code_hash: bytes) -> DeviceGrantRow | None:
        """Return the wish of the device that has this code."""
        row = self._database.get(_SELECT_DEVICE_GRANT + "WHERE device_code_hash = ?", (device_code_hash,))
        return None if row is None else DeviceGrantRow._make(row)

    async def device_grant_shown(self, user_code: str) -> DeviceGrantRow | None:
        """Return the wish of the device that shows this code."""
        row = self._database.get(_SELECT_DEVICE_GRANT + "WHERE user_code = ?", (user_code,))
        return None if row is None else DeviceGrantRow._make(row)

    async def device_grants_count(self) -> int:
        """Return how many wishes are kept."""
        return int((await self._database.scan("SELECT count(*) FROM oauth_device_grants"))[0][0])

    async def session(self, user_id: str, device_id: str) -> OAuthSessionRow | None:
        """Return what was granted on a device."""
        sql = _SELECT_SESSION + "WHERE s.user_id = ? AND s.device_id = ?"
        row = self._database.get(sql, (user_id, device_id))
        return None if row is None else OAuthSessionRow._make(row)

    async def session_of_family(self, family_hash: bytes) -> OAuthSessionRow | None:
        """Return the session whose refresh tokens have this in common."""
        row = self._database.get(_SELECT_SESSION + "WHERE s.family_hash = ?", (family_hash,))
        return None if row is None else OAuthSessionRow._make(row)

    async def browser_session(self, session_hash: bytes) -> BrowserSessionRow | None:
        """Return the browser session with this hash."""
        row = self._database.get(
            "SELECT b.session_hash, b.user_id, b.created_ts, b.confirmed_ts, b.expires_ts FROM browser_sessions b"
            " JOIN accounts a ON a.user_id = b.user_id AND a.deactivated = 0 AND a.locked = 0"
            " WHERE b.session_hash = ?",
            (session_hash,),
        )
        return None if row is None else BrowserSessionRow._make(row)
