"""What is kept for the OAuth 2.0 API: clients, codes, what was granted to whom, and signed-in browsers."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

Decision = Literal["pending", "allowed", "denied", "redeemed"]
"""What has become of a device's wish to be let in."""


class PutOAuthClient(NamedTuple):
    """A client registered, for the first time or once more."""

    client_id: str
    metadata: bytes
    """A JSON object (`hamrasan.accounts.oauth.client_metadata`)."""
    registered_ts: int


class DeleteIdleOAuthClients(NamedTuple):
    """Clients that have no session, and registered last before this time, are forgotten."""

    before_ts: int


class NewOAuthCode(NamedTuple):
    """Somebody lets a client in; whoever brings the code, and proves to be that client, gets the tokens."""

    code_hash: bytes
    client_id: str
    redirect_uri: str
    user_id: str
    device_id: str
    scope: str
    challenge: str
    """SHA-256 of the verifier that the client keeps, in unpadded base64url (RFC 7636)."""
    expires_ts: int


class RedeemOAuthCode(NamedTuple):
    """A code has been exchanged for tokens."""

    code_hash: bytes


class DeleteExpiredOAuthCodes(NamedTuple):
    """Codes that ended before now are forgotten."""

    now_ts: int


class NewDeviceGrant(NamedTuple):
    """A device without a browser wants to be let in."""

    device_code_hash: bytes
    """Of what the device has."""
    user_code: str
    """What it shows, and somebody types."""
    client_id: str
    device_id: str
    scope: str
    expires_ts: int


class DecideDeviceGrant(NamedTuple):
    """Somebody has decided about a device, or it has fetched its tokens."""

    decision: Decision
    user_id: str
    device_code_hash: bytes
    former: Decision
    """If it is not this any more, somebody else was faster, and nothing changes."""


class DeleteExpiredDeviceGrants(NamedTuple):
    """Wishes that ended before now are forgotten."""

    now_ts: int


class PutOAuthSession(NamedTuple):
    """A device is logged in through the OAuth 2.0 API."""

    user_id: str
    device_id: str
    client_id: str
    scope: str
    grant_hash: bytes
    """Of the code or device code that it was opened with."""
    family_hash: bytes
    """Of what its refresh tokens have in common."""
    created_ts: int


class DeleteOAuthSession(NamedTuple):
    """The device is no longer, or never was, logged in through the OAuth 2.0 API."""

    user_id: str
    device_id: str


class NewBrowserSession(NamedTuple):
    """A browser is signed in on the server's own pages."""

    session_hash: bytes
    user_id: str
    created_ts: int
    confirmed_ts: int
    """When it was last proved who sits there."""
    expires_ts: int


class ConfirmBrowserSession(NamedTuple):
    """Whoever sits at the browser has proved it again."""

    confirmed_ts: int
    session_hash: bytes


class DeleteBrowserSession(NamedTuple):
    """A browser is signed out."""

    session_hash: bytes


class DeleteUserBrowserSessions(NamedTuple):
    """All browsers of the user are signed out."""

    user_id: str


class DeleteExpiredBrowserSessions(NamedTuple):
    """Sessions that ended before now are forgotten."""

    now_ts: int


class OAuthClientRow(NamedTuple):
    """A registered client."""

    client_id: str
    metadata: bytes


class OAuthCodeRow(NamedTuple):
    """A code."""

    client_id: str
    redirect_uri: str
    user_id: str
    device_id: str
    scope: str
    challenge: str
    expires_ts: int
    redeemed: bool


class DeviceGrantRow(NamedTuple):
    """A device's wish to be let in."""

    device_code_hash: bytes
    user_code: str
    client_id: str
    device_id: str
    scope: str
    expires_ts: int
    decision: Decision
    user_id: str | None


class OAuthSessionRow(NamedTuple):
    """What was granted to a client on a device."""

    user_id: str
    device_id: str
    client_id: str
    scope: str
    grant_hash: bytes
    created_ts: int


class BrowserSessionRow(NamedTuple):
    """A signed-in browser, of an account that is neither deactivated nor locked."""

    session_hash: bytes
    user_id: str
    created_ts: int
    confirmed_ts: int
    expires_ts: int


class OAuthReader(Protocol):
    """Reads what belongs to the OAuth 2.0 API. What belongs to deactivated accounts does not exist."""

    async def client(self, client_id: str) -> OAuthClientRow | None:
        """Return the client with this id."""

    async def idle_clients_before(self, keep: int) -> int | None:
        """Return a time before which clients are to go so that about `keep` without a session remain; None if fewer."""

    async def code(self, code_hash: bytes) -> OAuthCodeRow | None:
        """Return the code with this hash, redeemed or not."""

    async def device_grant(self, device_code_hash: bytes) -> DeviceGrantRow | None:
        """Return the wish of the device that has this code."""

    async def device_grant_shown(self, user_code: str) -> DeviceGrantRow | None:
        """Return the wish of the device that shows this code."""

    async def device_grants_count(self) -> int:
        """Return how many wishes are kept."""

    async def session(self, user_id: str, device_id: str) -> OAuthSessionRow | None:
        """Return what was granted on a device."""

    async def session_of_family(self, family_hash: bytes) -> OAuthSessionRow | None:
        """Return the session whose refresh tokens have this in common."""

    async def browser_session(self, session_hash: bytes) -> BrowserSessionRow | None:
        """Return the browser session with this hash."""
