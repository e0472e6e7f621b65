"""Passwords: hashed with Argon2id (RFC 9106) in worker threads, so that the loop never waits for one."""

from __future__ import annotations

import asyncio
import base64
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from hamrasan.protocol.errors import MatrixError, invalid_param, limit_exceeded

T = TypeVar("T")

MIN_PASSWORD_CHARS = 8
"""The specification's minimum ("Password management"); what else makes a password good, a length rule cannot tell."""
MAX_PASSWORD_BYTES = 512
"""Longer than any passphrase; bounds what a hash has to read."""
MAX_CONCURRENT = 2
"""Hashes computed at the same time: with `COST` they take 64 MiB, which the smallest machine can spare."""
MAX_WAITING = 64
"""Hashes that may wait for a thread (about two seconds of work); beyond it clients are asked to come back."""
RETRY_AFTER_MS = 2_000
SALT_BYTES = 16
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """What one hash costs, and so what one guess costs somebody who stole the hashes."""

    memory_kib: int
    passes: int
    lanes: int


COST = PasswordCost(memory_kib=32 * 1024, passes=2, lanes=1)
"""Above the least that OWASP recommends (19 MiB and two passes), at some 50 to 100 ms on one core.

One lane, since the second core is for people who are logged in. Hashes of another cost are replaced at the next login.
"""


def check_new_password(password: str) -> None:
    """Raise unless somebody may choose this password: `M_WEAK_PASSWORD` if short, `M_INVALID_PARAM` if endless."""
    if len(password) < MIN_PASSWORD_CHARS:
        raise MatrixError(
            400,
            "M_WEAK_PASSWORD",
            f"The password needs at least {MIN_PASSWORD_CHARS} characters; a few words are best.",
        )
    if len(password.encode(errors="replace")) > MAX_PASSWORD_BYTES:
        raise invalid_param(f"The password is longer than {MAX_PASSWORD_BYTES} bytes.")


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self, cost: PasswordCost = COST) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
            type=argon2.Type.ID,
        )
        self._nobodys = _hash_of_nothing(cost)
        self._threads = ThreadPoolExecutor(MAX_CONCURRENT, thread_name_prefix="password")
        self._busy = 0

    async def hash(self, password: str) -> str:
        """Return the hash to keep, with its salt and cost. Raises `M_LIMIT_EXCEEDED` when too many wait."""
        return await self._in_thread(self._hasher.hash, _normalised(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether `password` is the one that was hashed; without a hash the answer takes as long, and is no.

        Raises `M_LIMIT_EXCEEDED` when too many wait.
        """
        matches = await self._in_thread(self._matches, password_hash or self._nobodys, _normalised(password))
        return matches and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Tell whether the hash was made at another cost than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """End the threads once they have nothing to do."""
        self._threads.shutdown(wait=True)

    def _matches(self, password_hash: str, password: bytes) -> bool:
        if len(password) > MAX_PASSWORD_BYTES:
            return False
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[..., T], *values: Any) -> T:
        if self._busy >= MAX_CONCURRENT + MAX_WAITING:
            raise limit_exceeded(RETRY_AFTER_MS)
        self._busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *values)
        finally:
            self._busy -= 1


def _normalised(password: str) -> bytes:
    """Return what is hashed: keyboards compose the same letters differently (RFC 8265, section 4.2)."""
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")


def _hash_of_nothing(cost: PasswordCost) -> str:
    """Return a hash that no password has and that takes as long to verify as a real one."""
    salt, digest = (base64.b64encode(bytes(size)).rstrip(b"=").decode() for size in (SALT_BYTES, HASH_BYTES))
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p={cost.lanes}${salt}${digest}"
