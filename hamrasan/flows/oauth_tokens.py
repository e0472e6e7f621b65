"""Tokens of the OAuth 2.0 API: given for a code, given anew, and taken back ("Grant types", "Token revocation")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hamrasan.accounts.accounts import Accounts, user_locked
from hamrasan.accounts.oauth.clients import Client, Clients
from hamrasan.accounts.oauth.codes import AuthorizationCodes, CodeBearer, CodeReplayed
from hamrasan.accounts.oauth.device_grants import DeviceGrants
from hamrasan.accounts.oauth.errors import invalid_grant
from hamrasan.accounts.secrets import family_of, hash_token, new_family
from hamrasan.accounts.tokens import IssuedTokens, Tokens
from hamrasan.flows.end_sessions import EndSessions
from hamrasan.flows.open_session import OpenSession, WantedDevice
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.journal import Write
from hamrasan.storage.ports.oauth import (
    DecideDeviceGrant,
    OAuthReader,
    OAuthSessionRow,
    PutOAuthSession,
    RedeemOAuthCode,
)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a client gets."""

    tokens: IssuedTokens
    scope: str

    def answer(self) -> dict[str, Any]:
        """Return the token endpoint's response (RFC 6749, section 5.1)."""
        members: dict[str, Any] = {
            "access_token": self.tokens.access_token,
            "token_type": "Bearer",
            "scope": self.scope,
        }
        if self.tokens.refresh_token is not None:
            members["refresh_token"] = self.tokens.refresh_token
        if self.tokens.expires_in_ms is not None:
            members["expires_in"] = self.tokens.expires_in_ms // 1000
        return members


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody lets a client do; `grant_hash` is of the code that says so."""

    user_id: str
    device_id: str
    scope: str
    grant_hash: bytes
    redeemed: Write


class OAuthTokens:
    """Gives tokens to clients that were let in, and takes them back."""

    def __init__(
        self,
        accounts: Accounts,
        clients: Clients,
        codes: AuthorizationCodes,
        device_grants: DeviceGrants,
        reader: OAuthReader,
        tokens: Tokens,
        open_session: OpenSession,
        end_sessions: EndSessions,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._accounts = accounts
        self._clients = clients
        self._codes = codes
        self._device_grants = device_grants
        self._reader = reader
        self._tokens = tokens
        self._open_session = open_session
        self._end_sessions = end_sessions
        self._clock = clock
        self._entropy = entropy

    async def for_code(self, brought: CodeBearer, address: str) -> Granted:
        """Log somebody in for a code, which is used up.

        Raises `invalid_client`, and `invalid_grant` for a code that is not good; whoever brings one a second time ends
        the session that it opened. Raises `M_USER_LOCKED`, as every way to log in does.
        """
        client = await self._clients.access(brought.client_id)
        try:
            async with self._codes.redeeming(brought) as (code_hash, row):
                redeemed = RedeemOAuthCode(code_hash)
                grant = Grant(row.user_id, row.device_id, row.scope, code_hash, redeemed)
                return await self.open(client, grant, address)
        except CodeReplayed as replay:
            await self._end_session_of(replay)
            raise invalid_grant("The code has been used before.") from None

    async def for_device_code(self, device_code: str, client_id: str, address: str) -> Granted:
        """Log somebody in on a device that they have let in with another one ("Device authorisation flow").

        Raises `invalid_client`, what `DeviceGrants.redeeming` raises, and `M_USER_LOCKED`.
        """
        client = await self._clients.access(client_id)
        async with self._device_grants.redeeming(device_code, client_id) as row:
            user_id = row.user_id or ""
            redeemed = DecideDeviceGrant("redeemed", user_id, row.device_code_hash, "allowed")
            grant = Grant(user_id, row.device_id, row.scope, row.device_code_hash, redeemed)
            return await self.open(client, grant, address)

    async def open(self, client: Client, grant: Grant, address: str) -> Granted:
        """Log somebody in on the device of a grant."""
        account = await self._accounts.access(grant.user_id)
        if account.locked:
            raise user_locked()
        family = new_family(self._entropy)
        session = PutOAuthSession(
            grant.user_id,
            grant.device_id,
            client.client_id,
            grant.scope,
            grant.grant_hash,
            hash_token(family),
            self._clock.now_ms(),
        )
        wanted = WantedDevice(
            grant.device_id, client.metadata.name_in(""), refreshable=True, refresh_family=family
        )
        opened = await self._open_session.open(grant.user_id, wanted, address, grant.redeemed, session)
        return Granted(opened.tokens, grant.scope)

    async def for_refresh_token(self, refresh_token: str, client_id: str) -> Granted:
        """Give new tokens for a refresh token, which stays good until one of the new ones is used.

        Raises `invalid_client`, `invalid_grant`, `M_USER_LOCKED`. A token that belongs to a session and is not good any
        more was kept or stolen by somebody: the session ends ("Refresh token grant").
        """
        await self._clients.access(client_id)
        row = await self._tokens.find_refresh(refresh_token)
        if row is None:
            await self._end_session_of_reused(refresh_token)
            raise invalid_grant("The refresh token is unknown or was used before; please log in again.")
        session = await self._reader.session(row.user_id, row.device_id)
        if session is None or session.client_id != client_id:
            raise invalid_grant("The refresh token was given to another client.")
        return Granted(await self._tokens.refresh(refresh_token), session.scope)

    async def revoke(self, token: str) -> None:
        """Log out the device that a token belongs to; if it belongs to none, it is revoked already."""
        found = await self._tokens.find_access(token) or await self._tokens.find_refresh(token)
        if found is not None:
            await self._end_sessions.end(found.user_id, [found.device_id])

    async def session_of(self, user_id: str, device_id: str) -> OAuthSessionRow | None:
        """Return what was granted on a device; None if it logged in by other means."""
        return await self._reader.session(user_id, device_id)

    async def _end_session_of(self, replay: CodeReplayed) -> None:
        session = await self._reader.session(replay.row.user_id, replay.row.device_id)
        if session is not None and session.grant_hash == replay.code_hash:
            await self._end_sessions.end(session.user_id, [session.device_id])

    async def _end_session_of_reused(self, refresh_token: str) -> None:
        family = family_of(refresh_token)
        session = await self._reader.session_of_family(hash_token(family)) if family else None
        if session is not None:
            await self._end_sessions.end(session.user_id, [session.device_id])
