"""The device authorization grant: a device without a browser shows a code, and somebody lets it in with another device
(client-server API, "Device authorisation flow"; RFC 8628).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from hamrasan.accounts.oauth.client_metadata import DEVICE_CODE_GRANT
from hamrasan.accounts.oauth.clients import Client
from hamrasan.accounts.oauth.errors import OAuthError, invalid_grant
from hamrasan.accounts.oauth.scope import Scope
from hamrasan.accounts.secrets import DEVICE_CODE, hash_token, is_token, new_token
from hamrasan.accounts.throttle import Rate, WrongGuesses, network_of
from hamrasan.protocol.errors import limit_exceeded
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.oauth import (
    DecideDeviceGrant,
    Decision,
    DeleteExpiredDeviceGrants,
    DeviceGrantRow,
    NewDeviceGrant,
    OAuthReader,
)

LIFETIME_MS = 15 * 60 * 1000
"""Long enough to fetch a phone and sign in on it; the shorter, the fewer codes there are to be guessed."""
INTERVAL_S = 5
"""Seconds between two questions of a device (RFC 8628, section 3.5)."""
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no code is a word, and nothing that looks like a digit (RFC 8628, section 6.1)."""
CODE_LETTERS = 8
"""35 bits: with `GUESSES`, a year of guessing against a full table of codes finds one with a chance below one in 50."""
GUESSES = Rate(burst=10, interval_s=60)
"""Wrong codes of one user or address; people mistype one or two."""
MAX_GRANTS = 10_000
"""Devices that wait at the same time; beyond it others have to try again later."""
RETRY_AFTER_MS = 60_000


class BegunGrant(NamedTuple):
    """What a device gets: a code to ask with, and one to show."""

    device_code: str
    user_code: str


class DeviceGrants:
    """Lets devices in that others vouch for."""

    def __init__(self, journal: Journal, reader: OAuthReader, clock: Clock, entropy: Entropy) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._entropy = entropy
        self._guesses = WrongGuesses(clock, GUESSES)
        self._asked: dict[bytes, float] = {}
        self._locks = KeyedLocks()

    async def begin(self, client: Client, scope: Scope) -> BegunGrant:
        """Let a device wait for somebody; raises `unauthorized_client`, and `M_LIMIT_EXCEEDED` if too many wait."""
        if DEVICE_CODE_GRANT not in client.metadata.grant_types:
            raise OAuthError(
                "unauthorized_client", "This client has not registered for the device code grant."
            )
        now = self._clock.now_ms()
        if await self._reader.device_grants_count() >= MAX_GRANTS:
            await self._journal.submit(Batch([DeleteExpiredDeviceGrants(now)]))
            if await self._reader.device_grants_count() >= MAX_GRANTS:
                raise limit_exceeded(RETRY_AFTER_MS)
        device_code, user_code = new_token(self._entropy, DEVICE_CODE), self._new_user_code()
        while await self._reader.device_grant_shown(user_code) is not None:
            user_code = self._new_user_code()
        new = NewDeviceGrant(
            hash_token(device_code),
            user_code,
            client.client_id,
            scope.device_id,
            scope.text,
            now + LIFETIME_MS,
        )
        await self._journal.submit(Batch([DeleteExpiredDeviceGrants(now - LIFETIME_MS), new]))
        return BegunGrant(device_code, f"{user_code[:4]}-{user_code[4:]}")

    async def find(self, typed: str, user_id: str, address: str) -> DeviceGrantRow | None:
        """Return the wish of the device that shows what somebody typed, if it still waits.

        Raises `M_LIMIT_EXCEEDED` for a user or an address with too many wrong codes.
        """
        keys = (user_id, network_of(address))
        self._guesses.begin(*keys)
        user_code = "".join(letter for letter in typed[: 4 * CODE_LETTERS].upper() if letter in LETTERS)
        row = await self._reader.device_grant_shown(user_code) if len(user_code) == CODE_LETTERS else None
        if row is None or row.decision != "pending" or row.expires_ts <= self._clock.now_ms():
            return None
        self._guesses.succeeded(*keys)
        return row

    async def decide(self, row: DeviceGrantRow, user_id: str, *, allowed: bool) -> None:
        """Note what somebody says to a device that waits."""
        said: Decision = "allowed" if allowed else "denied"
        await self._journal.submit(Batch([DecideDeviceGrant(said, user_id, row.device_code_hash, "pending")]))

    @asynccontextmanager
    async def redeeming(self, device_code: str, client_id: str) -> AsyncIterator[DeviceGrantRow]:
        """Give what a device was allowed; the block gives it its tokens, and notes that in its commit.

        Raises `authorization_pending`, `slow_down`, `access_denied`, `expired_token`, and `invalid_grant` for a code
        that is unknown, of another client, or has been used.
        """
        code_hash = hash_token(device_code)
        async with self._locks(code_hash.hex()):  # who comes meanwhile finds it used
            yield await self._allowed(device_code, code_hash, client_id)
            self._asked.pop(code_hash, None)

    async def _allowed(self, device_code: str, code_hash: bytes, client_id: str) -> DeviceGrantRow:
        row = await self._reader.device_grant(code_hash) if is_token(device_code, DEVICE_CODE) else None
        if row is None or row.client_id != client_id:
            raise invalid_grant("The device code is unknown, or was given to another client.")
        if row.decision == "redeemed":
            raise invalid_grant("The device code has been used before.")
        if row.decision == "denied":
            raise OAuthError("access_denied", "The user did not let the device in.")
        if row.expires_ts <= self._clock.now_ms():
            raise OAuthError("expired_token", "The device code has expired; please begin again.")
        if row.decision == "pending":
            raise self._not_yet(code_hash)
        return row

    def _not_yet(self, code_hash: bytes) -> OAuthError:
        now = self._clock.monotonic()
        last = self._asked.pop(code_hash, None)
        if len(self._asked) >= MAX_GRANTS:
            del self._asked[next(iter(self._asked))]
        self._asked[code_hash] = now
        if last is not None and now - last < INTERVAL_S:
            return OAuthError("slow_down", f"Please wait {INTERVAL_S} seconds between two questions.")
        return OAuthError("authorization_pending", "Nobody has let the device in yet.")

    def _new_user_code(self) -> str:
        """Return a code to show: each letter as likely as the others, since larger numbers are drawn again."""
        fair = 256 - 256 % len(LETTERS)
        letters = ""
        while len(letters) < CODE_LETTERS:
            letters += "".join(
                LETTERS[byte % len(LETTERS)] for byte in self._entropy.bytes(16) if byte < fair
            )
        return letters[:CODE_LETTERS]
