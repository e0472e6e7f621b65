"""Registering with the server's shared secret: for the operator's own programs, as Synapse's admin API has it.

A program asks for a nonce and signs with it (and the secret) what it wants; nobody who only listens can do so again.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from hamrasan.accounts.accounts import Accounts
from hamrasan.flows.open_session import OpenSession, WantedDevice
from hamrasan.flows.register import Registered
from hamrasan.protocol.errors import MatrixError, forbidden, invalid_param
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy

NONCE_LIFETIME_S = 60
"""As long as Synapse's, whose clients fetch one for each account."""
MAX_NONCES = 10_000
"""Nonces that wait to be used (about 2 MB); beyond it the oldest end."""
NONCE_BYTES = 32
MAX_PASSWORD_CHARS = 512
"""Longer than any password, and what Synapse takes."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a program wants, and its signature."""

    nonce: str
    username: str
    password: str
    mac: str
    is_admin: bool = False
    user_type: str | None = None
    inhibit_login: bool = False


class RegisterWithSecret:
    """Makes accounts for whoever has the shared secret."""

    def __init__(
        self, secret: str | None, accounts: Accounts, sessions: OpenSession, clock: Clock, entropy: Entropy
    ) -> None:
        self._secret = secret
        self._accounts = accounts
        self._sessions = sessions
        self._clock = clock
        self._entropy = entropy
        self._nonces: dict[str, float] = {}

    def new_nonce(self) -> str:
        """Return a nonce for one request; raises `M_UNKNOWN` if the server has no shared secret."""
        self._check_enabled()
        now = self._clock.monotonic()
        self._forget(now)
        nonce = self._entropy.bytes(NONCE_BYTES).hex()
        self._nonces[nonce] = now + NONCE_LIFETIME_S
        return nonce

    async def register(self, wanted: SignedRequest, address: str) -> Registered:
        """Make the account and, unless inhibited, open a session.

        The nonce is used up whatever comes of it. Raises `M_UNKNOWN` if the server has no secret or the nonce is not
        one of its own, `M_FORBIDDEN` if the signature is wrong, `M_INVALID_USERNAME`, `M_USER_IN_USE`.
        """
        secret = self._check_enabled()
        ends_at = self._nonces.pop(wanted.nonce, None)
        if ends_at is None or ends_at <= self._clock.monotonic():
            raise MatrixError(400, "M_UNKNOWN", "The nonce is unknown, has been used or has expired.")
        for text in (wanted.username, wanted.password, wanted.user_type or ""):
            if "\0" in text:
                raise invalid_param("No value may contain the character NUL.")
        if not 0 < len(wanted.password) <= MAX_PASSWORD_CHARS:
            raise invalid_param(f"The password needs 1 to {MAX_PASSWORD_CHARS} characters.")
        if not hmac.compare_digest(sign(secret, wanted), wanted.mac.encode(errors="replace")):
            raise forbidden("The signature (mac) is wrong.")
        user_id = await self._accounts.check_available(wanted.username.lower())
        await self._accounts.create(user_id, wanted.password, is_admin=wanted.is_admin)
        if wanted.inhibit_login:
            return Registered(user_id, None)
        return Registered(user_id, await self._sessions.open(user_id, WantedDevice(), address))

    def _check_enabled(self) -> str:
        if self._secret is None:
            raise MatrixError(
                400, "M_UNKNOWN", "Registration with a shared secret is not enabled on this server."
            )
        return self._secret

    def _forget(self, now: float) -> None:
        while self._nonces:
            oldest = next(iter(self._nonces))
            if self._nonces[oldest] > now and len(self._nonces) < MAX_NONCES:
                return
            del self._nonces[oldest]


def sign(secret: str, wanted: SignedRequest) -> bytes:
    """Return the signature of a request: HMAC-SHA1, in hexadecimal, of its values with NUL between them."""
    values = [wanted.nonce, wanted.username, wanted.password, "admin" if wanted.is_admin else "notadmin"]
    if wanted.user_type is not None:
        values.append(wanted.user_type)
    signed = "\0".join(values).encode(errors="replace")
    return hmac.new(secret.encode(), signed, "sha1").hexdigest().encode()
