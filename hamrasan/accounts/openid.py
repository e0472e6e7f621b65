"""OpenID tokens: with one, a third party learns who somebody is, and nothing else (client-server API, "OpenID")."""

from __future__ import annotations

from hamrasan.accounts.secrets import OPENID, hash_token, is_token, new_token
from hamrasan.accounts.tokens import unknown_token
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.accounts import AccountReader
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.tokens import DeleteExpiredOpenIdTokens, NewOpenIdToken, TokenReader

LIFETIME_S = 60 * 60
"""As long as other servers let them live; a widget asks for a new one when it starts."""


class OpenIdTokens:
    """Gives OpenID tokens and says whose they are."""

    def __init__(
        self, journal: Journal, reader: TokenReader, accounts: AccountReader, clock: Clock, entropy: Entropy
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._accounts = accounts
        self._clock = clock
        self._entropy = entropy

    async def issue(self, user_id: str) -> str:
        """Return a token with which others can ask who the user is, for `LIFETIME_S` seconds."""
        now = self._clock.now_ms()
        token = new_token(self._entropy, OPENID)
        new = NewOpenIdToken(hash_token(token), user_id, now + LIFETIME_S * 1000)
        await self._journal.submit(Batch([DeleteExpiredOpenIdTokens(now), new]))
        return token

    async def user_of(self, token: str) -> str:
        """Return whose token it is; raises `M_UNKNOWN_TOKEN` (server-server API, "OpenID").

        The token of an account that has ended or is locked proves nothing.
        """
        row = await self._reader.openid_token(hash_token(token)) if is_token(token, OPENID) else None
        if row is None or row.expires_ts <= self._clock.now_ms():
            raise unknown_token("The OpenID token is unknown or has expired.")
        account = await self._accounts.account(row.user_id)
        if account is None or account.deactivated or account.locked:
            raise unknown_token("The account of this OpenID token may not be used.")
        return row.user_id
