"""What is kept of tokens: SHA-256 hashes, never a token that lets somebody in.

A registration token is kept as it is: it is an invitation that administrators show to people.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class NewAccessToken(NamedTuple):
    """A device may act for a user."""

    token_id: int
    token_hash: bytes
    user_id: str
    device_id: str
    created_ts: int
    expires_ts: int | None
    """None: it does not expire."""
    refresh_id: int | None
    """The refresh token that was given together with it."""


class NewRefreshToken(NamedTuple):
    """A device may fetch new access tokens."""

    refresh_id: int
    token_hash: bytes
    user_id: str
    device_id: str
    created_ts: int
    replaces: int | None
    """The refresh token that was used to get this one; it stays valid until this one or its access token is used."""


class SettleRefreshToken(NamedTuple):
    """The refresh token, or its access token, has been used: it replaces no other any more."""

    refresh_id: int


class DeleteAccessToken(NamedTuple):
    """One access token ends."""

    token_id: int


class DeleteRefreshToken(NamedTuple):
    """One refresh token ends."""

    refresh_id: int


class DeleteRefreshedAccessTokens(NamedTuple):
    """The access tokens that were given together with a refresh token end."""

    refresh_id: int


class DeleteDeviceAccessTokens(NamedTuple):
    """All access tokens of a device end."""

    user_id: str
    device_id: str


class DeleteDeviceRefreshTokens(NamedTuple):
    """All refresh tokens of a device end."""

    user_id: str
    device_id: str


class DeleteUserAccessTokens(NamedTuple):
    """All access tokens of a user end."""

    user_id: str


class DeleteUserRefreshTokens(NamedTuple):
    """All refresh tokens of a user end."""

    user_id: str


class NewLoginToken(NamedTuple):
    """Somebody may log in once as the user, soon."""

    token_hash: bytes
    user_id: str
    expires_ts: int


class DeleteLoginToken(NamedTuple):
    """A login token has been used."""

    token_hash: bytes


class DeleteExpiredLoginTokens(NamedTuple):
    """Login tokens that ended before now are forgotten."""

    now_ts: int


class NewOpenIdToken(NamedTuple):
    """A third party may ask who the user is."""

    token_hash: bytes
    user_id: str
    expires_ts: int


class DeleteExpiredOpenIdTokens(NamedTuple):
    """OpenID tokens that ended before now are forgotten."""

    now_ts: int


class DeleteUserOpenIdTokens(NamedTuple):
    """Nobody learns any more from an OpenID token who the user is."""

    user_id: str


class PutRegistrationToken(NamedTuple):
    """A registration token comes to exist, or its limits change."""

    token: str
    uses_allowed: int | None
    """None: any number."""
    completed: int
    """Registrations that used it; not changed if the token exists."""
    expires_ts: int | None
    """None: never."""
    created_ts: int


class CompleteRegistrationToken(NamedTuple):
    """Somebody registered with the token."""

    token: str


class DeleteRegistrationToken(NamedTuple):
    """Nobody can register with the token any more."""

    token: str


class TokensRevoked(NamedTuple):
    """Feed: access tokens of a user ended (of one device, or of all if `device_id` is None)."""

    user_id: str
    device_id: str | None


class AccessTokenRow(NamedTuple):
    """An access token with what its account may do."""

    token_id: int
    user_id: str
    device_id: str
    created_ts: int
    expires_ts: int | None
    refresh_id: int | None
    replaces: int | None
    """The refresh token to revoke at the first use of this access token."""
    is_admin: bool
    locked: bool
    suspended: bool


class RefreshTokenRow(NamedTuple):
    """A refresh token."""

    refresh_id: int
    user_id: str
    device_id: str
    replaces: int | None
    replaced_by: int | None
    """The refresh token that was given for this one and has not been used yet."""
    locked: bool


class OneUseTokenRow(NamedTuple):
    """A login token or an OpenID token."""

    user_id: str
    expires_ts: int


class RegistrationTokenRow(NamedTuple):
    """A registration token."""

    token: str
    uses_allowed: int | None
    completed: int
    expires_ts: int | None
    created_ts: int


class TokenReader(Protocol):
    """Reads tokens. Those of deactivated accounts do not exist."""

    async def access_token(self, token_hash: bytes) -> AccessTokenRow | None:
        """Return the access token with this hash."""

    async def access_tokens(self, user_id: str) -> list[AccessTokenRow]:
        """Return a user's access tokens, the oldest first."""

    async def refresh_token(self, token_hash: bytes) -> RefreshTokenRow | None:
        """Return the refresh token with this hash."""

    async def login_token(self, token_hash: bytes) -> OneUseTokenRow | None:
        """Return the login token with this hash."""

    async def openid_token(self, token_hash: bytes) -> OneUseTokenRow | None:
        """Return the OpenID token with this hash."""

    async def registration_token(self, token: str) -> RegistrationTokenRow | None:
        """Return this registration token."""

    async def registration_tokens(self) -> list[RegistrationTokenRow]:
        """Return every registration token, in the order of their making."""
