"""From an access token to the one who asks: on the path of every request, so answered from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hamrasan.accounts.accounts import user_locked
from hamrasan.accounts.requester import Requester
from hamrasan.accounts.secrets import ACCESS, hash_token, is_token
from hamrasan.accounts.tokens import settle_access_token, unknown_token
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.accounts import AccountChanged, AccountDeactivated, AccountReader
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.tokens import AccessTokenRow, TokenReader, TokensRevoked

MAX_CACHED = 200_000
"""Tokens remembered (about 100 MB when full); one that was dropped costs a point read at its next request."""
OUTSIDE_CHANGES_INTERVAL_S = 1.0
"""How long a token that the command line revoked may live on; looking costs one point read."""
NEVER = 2**63
"""Later than every time that a clock tells."""


class _Known(NamedTuple):
    requester: Requester
    expires_ts: int
    locked: bool


class Authenticator:
    """Says whose an access token is."""

    def __init__(self, journal: Journal, reader: TokenReader, clock: Clock) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._tokens_of: dict[str, set[str]] = {}
        self._revision = 0
        journal.listen(TokensRevoked, self._forget_user)
        journal.listen(AccountChanged, self._forget_user)
        journal.listen(AccountDeactivated, self._forget_user)

    def recall(self, token: str) -> Requester | None:
        """Return the requester of an access token that is in memory and good; None says nothing about any other."""
        known = self._known.get(token)
        if known is None or known.locked or known.expires_ts <= self._clock.now_ms():
            return None
        return known.requester

    async def authenticate(self, token: str, *, even_locked: bool = False) -> Requester:
        """Return the requester of an access token.

        Raises `M_UNKNOWN_TOKEN` (with `soft_logout` for one that has expired), and `M_USER_LOCKED` unless
        `even_locked`, which only logging out may set ("Account locking").
        """
        known = self._known.get(token)
        if known is None:
            known = await self._load(token)
        if known.expires_ts <= self._clock.now_ms():
            raise unknown_token("The access token has expired; it can be refreshed.", soft_logout=True)
        if known.locked and not even_locked:
            raise user_locked()
        return known.requester

    def forget_everything(self) -> None:
        """Drop all that is remembered: somebody else changed the store."""
        self._revision += 1
        self._known.clear()
        self._tokens_of.clear()

    async def _load(self, token: str) -> _Known:
        revision = self._revision
        row = await self._reader.access_token(hash_token(token)) if is_token(token, ACCESS) else None
        if row is None:
            raise unknown_token("The access token is unknown; please log in again.")
        known = _known(row)
        due = settle_access_token(row)
        if due and known.expires_ts > self._clock.now_ms():
            await self._journal.submit(Batch(due, feed=[TokensRevoked(row.user_id, row.device_id)]))
        elif revision == self._revision:
            self._remember(token, known)
        return known

    def _remember(self, token: str, known: _Known) -> None:
        if len(self._known) >= MAX_CACHED:
            oldest = next(iter(self._known))
            self._drop(oldest, self._known[oldest].requester.user_id)
        self._known[token] = known
        self._tokens_of.setdefault(known.requester.user_id, set()).add(token)

    def _drop(self, token: str, user_id: str) -> None:
        del self._known[token]
        tokens = self._tokens_of[user_id]
        tokens.discard(token)
        if not tokens:
            del self._tokens_of[user_id]

    def _forget_user(self, item: TokensRevoked | AccountChanged | AccountDeactivated) -> None:
        """Drop what is remembered of a user; a read that is under way does not come into memory."""
        self._revision += 1
        for token in self._tokens_of.pop(item.user_id, ()):
            del self._known[token]


def _known(row: AccessTokenRow) -> _Known:
    requester = Requester(row.user_id, row.device_id, row.is_admin, row.token_id, row.suspended)
    return _Known(requester, NEVER if row.expires_ts is None else row.expires_ts, row.locked)


class OutsideChanges:
    """Notices what another process (the command line) changed in accounts and tokens."""

    def __init__(self, reader: AccountReader, on_change: Sequence[Callable[[], None]]) -> None:
        self._reader = reader
        self._on_change = on_change
        self._seen: int | None = None

    async def look(self) -> None:
        """Call each of `on_change` if something was announced since the last look."""
        count = await self._reader.outside_changes()
        if self._seen is not None and count != self._seen:
            for forget in self._on_change:
                forget()
        self._seen = count

    async def watch(self, interval_s: float = OUTSIDE_CHANGES_INTERVAL_S) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(interval_s)
