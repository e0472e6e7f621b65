"""Authorization codes: what a browser carries from our page to the client, good for one exchange, soon."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import NamedTuple

from hamrasan.accounts.oauth.errors import invalid_grant, invalid_request
from hamrasan.accounts.oauth.scope import Scope
from hamrasan.accounts.secrets import CODE, hash_token, is_token, new_token
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.oauth import DeleteExpiredOAuthCodes, NewOAuthCode, OAuthCodeRow, OAuthReader

LIFETIME_MS = 60 * 1000
"""The client is there and waits: a minute is long, even on a bad link (RFC 6749 allows ten)."""
KEPT_MS = 10 * 60 * 1000
"""How long a code is remembered after its end, so that one who brings it again is noticed."""

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
"""A SHA-256 hash in unpadded base64url."""
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class CodeReplayed(Exception):
    """A code was brought that had been exchanged; `row` says for whom, `code_hash` which one it was."""

    def __init__(self, row: OAuthCodeRow, code_hash: bytes) -> None:
        super().__init__("a code was brought twice")
        self.row = row
        self.code_hash = code_hash


class CodeBearer(NamedTuple):
    """What a client brings to exchange a code."""

    code: str
    client_id: str
    redirect_uri: str
    verifier: str


class AuthorizationCodes:
    """Gives codes, and lets each be exchanged once."""

    def __init__(self, journal: Journal, reader: OAuthReader, clock: Clock, entropy: Entropy) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._entropy = entropy
        self._being_redeemed: set[bytes] = set()

    async def issue(
        self, user_id: str, client_id: str, redirect_uri: str, scope: Scope, challenge: str
    ) -> str:
        """Return a code with which the client gets tokens of the user, once, within `LIFETIME_MS`."""
        now = self._clock.now_ms()
        code = new_token(self._entropy, CODE)
        new = NewOAuthCode(
            hash_token(code),
            client_id,
            redirect_uri,
            user_id,
            scope.device_id,
            scope.text,
            challenge,
            now + LIFETIME_MS,
        )
        await self._journal.submit(Batch([DeleteExpiredOAuthCodes(now - KEPT_MS), new]))
        return code

    @asynccontextmanager
    async def redeeming(self, brought: CodeBearer) -> AsyncIterator[tuple[bytes, OAuthCodeRow]]:
        """Give what a code is good for; the block exchanges it, with `RedeemOAuthCode` in its commit.

        Raises `invalid_grant` for a code that is unknown, too old, of another client or address, or whose verifier is
        wrong, and `CodeReplayed`. Of two that come at the same time the second is refused.
        """
        code_hash = hash_token(brought.code)
        if code_hash in self._being_redeemed:
            raise invalid_grant("The code is being exchanged at this moment.")
        self._being_redeemed.add(
            code_hash
        )  # before it is read: what is read may be outdated by the time it is used
        try:
            yield code_hash, await self._read(brought, code_hash)
        finally:
            self._being_redeemed.discard(code_hash)

    async def _read(self, brought: CodeBearer, code_hash: bytes) -> OAuthCodeRow:
        row = await self._reader.code(code_hash) if is_token(brought.code, CODE) else None
        if row is None or row.client_id != brought.client_id:
            raise invalid_grant("The code is unknown, or was given to another client.")
        if row.redeemed:
            raise CodeReplayed(row, code_hash)
        if row.expires_ts <= self._clock.now_ms():
            raise invalid_grant("The code has expired; please begin again.")
        if row.redirect_uri != brought.redirect_uri:
            raise invalid_grant("The redirect_uri is not the one of the authorization request.")
        if not is_verified(brought.verifier, row.challenge):
            raise invalid_grant("The code_verifier does not belong to the code_challenge.")
        return row


def check_challenge(challenge: str) -> None:
    """Raise `invalid_request` unless a challenge is a SHA-256 hash (RFC 7636, section 4.2)."""
    if not _CHALLENGE.fullmatch(challenge):
        raise invalid_request("code_challenge must be a SHA-256 hash in unpadded base64url.")


def is_verified(verifier: str, challenge: str) -> bool:
    """Tell whether a challenge was made from this verifier (RFC 7636, section 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    made = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode())
