"""Access tokens and refresh tokens (client-server API, "Using access tokens", "Refreshing access tokens")."""

from __future__ import annotations

from dataclasses import dataclass

from hamrasan.accounts.accounts import user_locked
from hamrasan.accounts.secrets import (
    ACCESS,
    REFRESH,
    family_of,
    hash_token,
    is_token,
    new_number,
    new_token,
)
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.oauth import DeleteUserBrowserSessions
from hamrasan.storage.ports.tokens import (
    AccessTokenRow,
    DeleteAccessToken,
    DeleteDeviceAccessTokens,
    DeleteDeviceRefreshTokens,
    DeleteRefreshedAccessTokens,
    DeleteRefreshToken,
    DeleteUserAccessTokens,
    DeleteUserOpenIdTokens,
    DeleteUserRefreshTokens,
    NewAccessToken,
    NewRefreshToken,
    RefreshTokenRow,
    SettleRefreshToken,
    TokenReader,
    TokensRevoked,
)

REFRESHABLE_LIFETIME_MS = 60 * 60 * 1000
"""An access token that can be refreshed ends after an hour: a stolen one is of little use, and a refresh is one commit.
Tokens of clients that cannot refresh do not end, since logging in again every hour is no alternative."""


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """What a client is given, once."""

    access_token: str
    refresh_token: str | None
    expires_in_ms: int | None

    def answer(self) -> dict[str, str | int]:
        """Return the members of a response that carry the tokens."""
        members: dict[str, str | int] = {"access_token": self.access_token}
        if self.refresh_token is not None:
            members["refresh_token"] = self.refresh_token
        if self.expires_in_ms is not None:
            members["expires_in_ms"] = self.expires_in_ms
        return members


class Tokens:
    """Issues, refreshes and revokes tokens."""

    def __init__(self, journal: Journal, reader: TokenReader, clock: Clock, entropy: Entropy) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._entropy = entropy
        self._locks = KeyedLocks()

    def issue(
        self,
        user_id: str,
        device_id: str,
        *,
        refreshable: bool,
        replaces: int | None = None,
        family: str = "",
    ) -> tuple[IssuedTokens, list[Write]]:
        """Return new tokens of a device, and the writes that make them valid.

        `family` is what all refresh tokens of one session begin with, if anybody is to recognise them (see
        `hamrasan.accounts.secrets`).
        """
        now = self._clock.now_ms()
        access = new_token(self._entropy, ACCESS)
        token_id, access_hash = new_number(self._entropy), hash_token(access)
        if not refreshable:
            issued = IssuedTokens(access, None, None)
            return issued, [NewAccessToken(token_id, access_hash, user_id, device_id, now, None, None)]
        refresh, refresh_id = new_token(self._entropy, REFRESH + family), new_number(self._entropy)
        return IssuedTokens(access, refresh, REFRESHABLE_LIFETIME_MS), [
            NewRefreshToken(refresh_id, hash_token(refresh), user_id, device_id, now, replaces),
            NewAccessToken(
                token_id, access_hash, user_id, device_id, now, now + REFRESHABLE_LIFETIME_MS, refresh_id
            ),
        ]

    async def refresh(self, refresh_token: str) -> IssuedTokens:
        """Return new tokens for a refresh token, which stays valid until one of the new ones is used.

        Raises `M_UNKNOWN_TOKEN` for one that is unknown or was replaced, `M_USER_LOCKED` for a locked account.
        """
        # One after the other, or two answers would both seem to replace the same token.
        async with self._locks(refresh_token):
            row = await self._refresh_token(refresh_token)
            issued, writes = self.issue(
                row.user_id,
                row.device_id,
                refreshable=True,
                replaces=row.refresh_id,
                family=family_of(refresh_token),
            )
            obsolete = [] if row.replaced_by is None else _end_refresh(row.replaced_by)
            writes = [*_settle(row.refresh_id, row.replaces), *obsolete, *writes]
            await self._journal.submit(Batch(writes, feed=[TokensRevoked(row.user_id, row.device_id)]))
        return issued

    async def _refresh_token(self, refresh_token: str) -> RefreshTokenRow:
        row = await self.find_refresh(refresh_token)
        if row is None:
            raise unknown_token("The refresh token is unknown or has been used; please log in again.")
        if row.locked:
            raise user_locked()
        return row

    async def find_refresh(self, refresh_token: str) -> RefreshTokenRow | None:
        """Return a refresh token that is valid."""
        if not is_token(refresh_token, REFRESH):
            return None
        return await self._reader.refresh_token(hash_token(refresh_token))

    async def find_access(self, access_token: str) -> AccessTokenRow | None:
        """Return an access token that is known, whether or not it has expired."""
        if not is_token(access_token, ACCESS):
            return None
        return await self._reader.access_token(hash_token(access_token))

    async def of_user(self, user_id: str) -> list[AccessTokenRow]:
        """Return a user's access tokens, the oldest first; what lets somebody in is not kept."""
        return await self._reader.access_tokens(user_id)


def end_access_token(token_id: int) -> list[Write]:
    """Return the writes that end one access token."""
    return [DeleteAccessToken(token_id)]


def end_device_tokens(user_id: str, device_id: str) -> list[Write]:
    """Return the writes that end every token of a device."""
    return [DeleteDeviceAccessTokens(user_id, device_id), DeleteDeviceRefreshTokens(user_id, device_id)]


def end_user_tokens(user_id: str) -> list[Write]:
    """Return the writes that end every token of a user, and sign out every browser."""
    return [
        DeleteUserAccessTokens(user_id),
        DeleteUserRefreshTokens(user_id),
        DeleteUserBrowserSessions(user_id),
        DeleteUserOpenIdTokens(user_id),
    ]


def settle_access_token(row: AccessTokenRow) -> list[Write]:
    """Return the writes that are due at the first use of an access token: what it replaces ends now."""
    return [] if row.refresh_id is None else _settle(row.refresh_id, row.replaces)


def unknown_token(message: str, *, soft_logout: bool = False) -> MatrixError:
    """The token is not, or no longer, valid; after a soft logout the client keeps what it has ("Soft logout")."""
    return MatrixError(401, "M_UNKNOWN_TOKEN", message, {"soft_logout": soft_logout})


def _settle(refresh_id: int, replaces: int | None) -> list[Write]:
    return [] if replaces is None else [SettleRefreshToken(refresh_id), *_end_refresh(replaces)]


def _end_refresh(refresh_id: int) -> list[Write]:
    return [DeleteRefreshedAccessTokens(refresh_id), DeleteRefreshToken(refresh_id)]
