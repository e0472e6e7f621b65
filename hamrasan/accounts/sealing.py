"""Sealing: what only this server may read, kept in the database or carried through a browser.

The key lies beside the database, not in it: whoever has only a copy of the database reads nothing of it.
"""

from __future__ import annotations

import base64
import binascii
import hmac

import orjson
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from hamrasan.runtime.clock import Clock

KEY_BYTES = SecretBox.KEY_SIZE
MAX_SEALED_CHARS = 4_096
"""Longer than anything that is sealed for a browser."""


class Sealing:
    """Seals and opens."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._box = SecretBox(key)
        self._clock = clock

    def seal(self, secret: bytes) -> bytes:
        """Return a secret as it is kept."""
        return bytes(self._box.encrypt(secret))

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed; raises `ValueError` if it was changed, or sealed with another key."""
        try:
            return self._box.decrypt(sealed)
        except CryptoError:
            raise ValueError("this was not sealed by this server") from None

    def keyed_hash(self, purpose: str, text: str) -> bytes:
        """Return a hash of a text that is too short for a hash without a key."""
        return hmac.digest(self._key, f"{purpose}\0{text}".encode(), "sha256")

    def carry(self, purpose: str, values: dict[str, str], lifetime_ms: int) -> str:
        """Return values for a browser to bring back, which it can neither read nor change."""
        whole = {"purpose": purpose, "until": self._clock.now_ms() + lifetime_ms, "values": values}
        return base64.urlsafe_b64encode(self.seal(orjson.dumps(whole))).decode()

    def brought(self, purpose: str, carried: str) -> dict[str, str] | None:
        """Return the values that a browser brings back; None if they are of another purpose, too old, or not ours."""
        if len(carried) > MAX_SEALED_CHARS:
            return None
        try:
            whole = orjson.loads(self.open(base64.urlsafe_b64decode(carried)))
        except (ValueError, binascii.Error):
            return None
        if whole["purpose"] != purpose or whole["until"] <= self._clock.now_ms():
            return None
        values: dict[str, str] = whole["values"]
        return values
