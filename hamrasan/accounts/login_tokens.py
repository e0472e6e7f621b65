"""Login tokens: one login each, soon (client-server API, `POST /login/get_token`)."""

from __future__ import annotations

from hamrasan.accounts.secrets import LOGIN, hash_token, is_token, new_token
from hamrasan.protocol.errors import MatrixError, forbidden
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.tokens import (
    DeleteExpiredLoginTokens,
    DeleteLoginToken,
    NewLoginToken,
    TokenReader,
)

LIFETIME_MS = 2 * 60 * 1000
"""What the specification recommends: enough to scan a code with the other device."""
REDIRECTED_LIFETIME_MS = 30 * 1000
"""Of a token that a browser carries to an app at once ("Handling the callback from the Authentication server", which
recommends five seconds): bad links need longer, and the token has been seen by this browser only."""


class LoginTokens:
    """Gives login tokens, and takes each once."""

    def __init__(self, journal: Journal, reader: TokenReader, clock: Clock, entropy: Entropy) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._entropy = entropy
        self._being_used: set[bytes] = set()

    async def issue(self, user_id: str, lifetime_ms: int = LIFETIME_MS) -> str:
        """Return a token with which somebody can log in once as the user, within `lifetime_ms`."""
        now = self._clock.now_ms()
        token = new_token(self._entropy, LOGIN)
        new = NewLoginToken(hash_token(token), user_id, now + lifetime_ms)
        await self._journal.submit(Batch([DeleteExpiredLoginTokens(now), new]))
        return token

    async def use(self, token: str) -> str:
        """Return whose token it is; it is used up when this returns. Raises `M_FORBIDDEN` for any other token."""
        token_hash = hash_token(token)
        row = await self._reader.login_token(token_hash) if is_token(token, LOGIN) else None
        if row is None or row.expires_ts <= self._clock.now_ms() or token_hash in self._being_used:
            raise _unknown()
        self._being_used.add(token_hash)
        try:
            await self._journal.submit(Batch([DeleteLoginToken(token_hash)]))
        finally:
            self._being_used.discard(token_hash)
        return row.user_id


def _unknown() -> MatrixError:
    return forbidden("The login token is unknown, has been used or has expired.")
