"""Registration tokens: invitations to register (client-server API, "Token-authenticated registration")."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from hamrasan.accounts.user_interactive import Session, StageFailed
from hamrasan.protocol.errors import bad_json, invalid_param, not_found
from hamrasan.protocol.identifiers import check_opaque_grammar
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.tokens import (
    DeleteRegistrationToken,
    PutRegistrationToken,
    RegistrationTokenRow,
    TokenReader,
)

MAX_TOKEN_CHARS = 64
"""The specification's length of a registration token."""
NEW_TOKEN_LETTERS = 16
"""90 random bits, and still short enough to be read out."""
MAX_USES = 2**53 - 1
"""The largest integer that every JSON library represents exactly."""


class RegistrationTokens:
    """Makes registration tokens, and lends a use of one to everybody who is registering with it."""

    def __init__(self, journal: Journal, reader: TokenReader, clock: Clock, entropy: Entropy) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._entropy = entropy
        self._pending: Counter[str] = Counter()

    async def is_valid(self, token: str) -> bool:
        """Tell whether somebody could begin to register with this token now."""
        row = await self._reader.registration_token(token)
        if row is None or (row.expires_ts is not None and row.expires_ts <= self._clock.now_ms()):
            return False
        return row.uses_allowed is None or row.completed + self._pending[token] < row.uses_allowed

    async def stage(self, session: Session, submitted: Mapping[str, Any]) -> str:
        """Lend a use of the submitted token to the session, until it ends; return the token."""
        token = submitted.get("token")
        if not isinstance(token, str):
            raise bad_json("'auth.token' must be a string: the registration token.")
        await self._lend(token)
        session.on_end.append(lambda: self._give_back(token))
        return token

    @asynccontextmanager
    async def lent(self, token: str) -> AsyncIterator[None]:
        """Lend a use of a token while the block runs; raises `StageFailed` if it has none."""
        await self._lend(token)
        try:
            yield
        finally:
            self._give_back(token)

    async def _lend(self, token: str) -> None:
        if not await self.is_valid(token):
            raise StageFailed("M_UNAUTHORIZED", "This registration token is unknown, used up or has expired.")
        self._pending[token] += 1

    def _give_back(self, token: str) -> None:
        self._pending[token] -= 1
        if self._pending[token] <= 0:
            del self._pending[token]

    def pending(self, token: str) -> int:
        """Return how many are registering with the token at this moment."""
        return self._pending[token]

    async def all(self) -> list[RegistrationTokenRow]:
        """Return every token, in the order of their making."""
        return await self._reader.registration_tokens()

    async def find(self, token: str) -> RegistrationTokenRow:
        """Return the token; raises `M_NOT_FOUND`."""
        row = await self._reader.registration_token(token)
        if row is None:
            raise not_found("There is no such registration token.")
        return row

    async def create(
        self, token: str | None, uses_allowed: int | None, expires_ts: int | None
    ) -> RegistrationTokenRow:
        """Make a token, of random letters if none is given; raises `M_INVALID_PARAM` if it exists or cannot be one."""
        if token is None:
            token = self._entropy.id(NEW_TOKEN_LETTERS)
        check_opaque_grammar(token, "registration token", MAX_TOKEN_CHARS)
        self._check_limits(uses_allowed, expires_ts)
        if await self._reader.registration_token(token) is not None:
            raise invalid_param("This registration token exists already.")
        return await self._put(RegistrationTokenRow(token, uses_allowed, 0, expires_ts, self._clock.now_ms()))

    async def change(
        self, token: str, uses_allowed: int | None, expires_ts: int | None
    ) -> RegistrationTokenRow:
        """Give a token other limits; raises `M_NOT_FOUND`, `M_INVALID_PARAM`."""
        self._check_limits(uses_allowed, expires_ts)
        row = await self.find(token)
        return await self._put(row._replace(uses_allowed=uses_allowed, expires_ts=expires_ts))

    async def delete(self, token: str) -> None:
        """Take a token away; raises `M_NOT_FOUND`."""
        await self.find(token)
        await self._submit(DeleteRegistrationToken(token))

    async def _put(self, row: RegistrationTokenRow) -> RegistrationTokenRow:
        await self._submit(PutRegistrationToken(*row))
        return row

    async def _submit(self, write: Write) -> None:
        await self._journal.submit(Batch([write]))

    def _check_limits(self, uses_allowed: int | None, expires_ts: int | None) -> None:
        if uses_allowed is not None and not 0 <= uses_allowed <= MAX_USES:
            raise invalid_param("The uses allowed must be a number from 0 on, or null for any number.")
        if expires_ts is not None and not self._clock.now_ms() < expires_ts <= MAX_USES:
            raise invalid_param("The expiry time must be a timestamp in the future, in milliseconds.")
