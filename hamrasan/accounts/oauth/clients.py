"""The clients that registered (client-server API, "Dynamic client registration flow")."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from hamrasan.accounts.oauth.client_metadata import ClientMetadata, parse_client_metadata
from hamrasan.accounts.oauth.errors import OAuthError
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.oauth import DeleteIdleOAuthClients, OAuthReader, PutOAuthClient

CLIENT_ID_BYTES = 20
"""160 bits of a hash: no two clients have the same id unless they say the same of themselves."""
MAX_CLIENT_ID_CHARS = 64
"""Twice as long as ours."""
IDLE_MS = 24 * 60 * 60 * 1000
"""A client registers before each login, so one without a session is of no use the next day."""
MAX_IDLE = 10_000
"""Clients without a session that are kept (20 MB, if each says as much as it may); the newest stay."""
SWEEP_INTERVAL_S = 10 * 60
"""How often they are looked through."""


class Client(NamedTuple):
    """A registered client."""

    client_id: str
    metadata: ClientMetadata


class Clients:
    """Registers clients and knows them again."""

    def __init__(self, journal: Journal, reader: OAuthReader, clock: Clock) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock

    async def register(self, said: Mapping[str, Any]) -> Client:
        """Register a client by what it says of itself; the same words get the same id.

        Raises `invalid_redirect_uri`, `invalid_client_metadata`.
        """
        metadata = parse_client_metadata(said)
        kept = msgspec.json.encode(metadata, order="sorted")
        digest = sha256(kept).digest()[:CLIENT_ID_BYTES]
        client_id = base64.b32encode(digest).decode().lower()
        await self._journal.submit(Batch([PutOAuthClient(client_id, kept, self._clock.now_ms())]))
        return Client(client_id, metadata)

    async def find(self, client_id: str) -> Client | None:
        """Return the client with this id."""
        row = await self._reader.client(client_id) if len(client_id) <= MAX_CLIENT_ID_CHARS else None
        if row is None:
            return None
        return Client(client_id, msgspec.json.decode(row.metadata, type=ClientMetadata))

    async def access(self, client_id: str) -> Client:
        """Return the client with this id; raises `invalid_client` (401)."""
        client = await self.find(client_id)
        if client is None:
            raise OAuthError(
                "invalid_client", "This client is not registered, or no longer; please register again.", 401
            )
        return client

    async def forget_idle(self) -> None:
        """Forget the clients without a session that nobody has registered for a day, or that are too many."""
        before = self._clock.now_ms() - IDLE_MS
        too_many = await self._reader.idle_clients_before(MAX_IDLE)
        await self._journal.submit(Batch([DeleteIdleOAuthClients(max(before, too_many or 0))]))

    async def keep_forgetting(self, interval_s: float = SWEEP_INTERVAL_S) -> None:
        """Forget idle clients until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            await self.forget_idle()
