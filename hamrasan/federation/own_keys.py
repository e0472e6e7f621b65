"""The keys of this server, as it publishes them (server-server API, "Publishing Keys")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hamrasan.protocol.base64 import encode_base64
from hamrasan.protocol.canonical_json import encode_canonical
from hamrasan.protocol.limits import MAX_CANONICAL_INT
from hamrasan.protocol.signing import SigningKey, sign_json
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.federation import PutServerKey

LIFETIME_MS = 24 * 3600 * 1000
"""For so long others need not ask again; and for so long a stolen key is of use after it was replaced."""
RENEW_MS = LIFETIME_MS // 2
"""An answer that has less than this left is made anew; the specification asks for an hour at least."""


class OldKey(NamedTuple):
    """A key that this server has signed with, up to `expired_ts` (milliseconds since 1970)."""

    key_id: str
    public_key: bytes
    expired_ts: int


class OwnKeys:
    """Signs in the name of this server, and says with which keys it does."""

    def __init__(self, server_name: str, current: SigningKey, old: Sequence[OldKey], clock: Clock) -> None:
        self.server_name = server_name
        self.current = current
        self.old = tuple(key for key in old if key.key_id != current.key_id)
        self.rows: Mapping[str, PutServerKey] = {
            **{key.key_id: PutServerKey(server_name, *key, True) for key in self.old},
            current.key_id: PutServerKey(
                server_name, current.key_id, current.public_key, MAX_CANONICAL_INT, False
            ),
        }
        """All keys of this server, in the form in which those of others are kept."""
        self._clock = clock
        self._answer = b""
        self._valid_until_ts = 0

    def sign(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return a JSON object with this server's signature added."""
        return sign_json(value, self.server_name, self.current)

    def answer(self) -> bytes:
        """Return what this server says of its keys, signed; the same for hours."""
        now = self._clock.now_ms()
        if not RENEW_MS < self._valid_until_ts - now <= LIFETIME_MS:
            self._valid_until_ts = now + LIFETIME_MS
            self._answer = encode_canonical(self.sign(self._said()))
        return self._answer

    def _said(self) -> dict[str, Any]:
        return {
            "server_name": self.server_name,
            "valid_until_ts": self._valid_until_ts,
            "verify_keys": {self.current.key_id: {"key": encode_base64(self.current.public_key)}},
            "old_verify_keys": {
                key.key_id: {"key": encode_base64(key.public_key), "expired_ts": key.expired_ts}
                for key in self.old
            },
        }
