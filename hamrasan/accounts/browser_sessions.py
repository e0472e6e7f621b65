"""Browsers that are signed in on the server's own pages, where people let clients in and look after their account."""

from __future__ import annotations

from hamrasan.accounts.secrets import BROWSER, hash_token, is_token, new_token
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.oauth import (
    BrowserSessionRow,
    ConfirmBrowserSession,
    DeleteBrowserSession,
    DeleteExpiredBrowserSessions,
    DeleteUserBrowserSessions,
    NewBrowserSession,
    OAuthReader,
)

LIFETIME_MS = 7 * 24 * 60 * 60 * 1000
"""A week: people sign in on these pages when they get a new device or look after their account, which is rare."""
FRESH_MS = 10 * 60 * 1000
"""How long whoever signed in may do what cannot be undone without proving it again."""


class BrowserSessions:
    """Signs browsers in and out."""

    def __init__(self, journal: Journal, reader: OAuthReader, clock: Clock, entropy: Entropy) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._entropy = entropy

    def new_secret(self) -> str:
        """Return a secret for a browser that nobody has signed in at yet."""
        return new_token(self._entropy, BROWSER)

    async def open(self, user_id: str, former: str | None) -> str:
        """Sign a browser in and return its secret. `former`, which it had until now, is good for nothing any more."""
        now = self._clock.now_ms()
        secret = self.new_secret()
        batch = Batch([DeleteExpiredBrowserSessions(now)])
        if former is not None:
            batch.writes.append(DeleteBrowserSession(hash_token(former)))
        batch.writes.append(NewBrowserSession(hash_token(secret), user_id, now, now, now + LIFETIME_MS))
        await self._journal.submit(batch)
        return secret

    async def find(self, secret: str) -> BrowserSessionRow | None:
        """Return the session of a browser that is signed in."""
        row = await self._reader.browser_session(hash_token(secret)) if is_token(secret, BROWSER) else None
        return None if row is None or row.expires_ts <= self._clock.now_ms() else row

    def is_fresh(self, session: BrowserSessionRow) -> bool:
        """Tell whether it was proved a moment ago who sits there."""
        return session.confirmed_ts > self._clock.now_ms() - FRESH_MS

    async def confirm(self, session: BrowserSessionRow) -> None:
        """Note that whoever sits there has just proved it."""
        write = ConfirmBrowserSession(self._clock.now_ms(), session.session_hash)
        await self._journal.submit(Batch([write]))

    async def close(self, session: BrowserSessionRow) -> None:
        """Sign a browser out."""
        await self._journal.submit(Batch([DeleteBrowserSession(session.session_hash)]))

    async def close_all(self, user_id: str) -> None:
        """Sign all browsers of a user out."""
        await self._journal.submit(Batch([DeleteUserBrowserSessions(user_id)]))
