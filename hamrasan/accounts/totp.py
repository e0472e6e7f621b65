"""Codes that change every half minute (RFC 6238), as authenticator apps make them."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator
from urllib.parse import quote, urlencode

SECRET_BYTES = 20
"""What RFC 4226 recommends, and every app takes."""
DIGITS = 6
PERIOD_S = 30
SKEW = 1
"""Steps before and after now whose codes are taken: people type slowly, and clocks of phones differ."""


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a step of time (RFC 4226, section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(secret: bytes, code: str, now_ms: int, after: int) -> int | None:
    """Return the step of time that a code belongs to, if that is about now and later than `after`."""
    for step in _steps(now_ms):
        if step > after and hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            return step
    return None


def _steps(now_ms: int) -> Iterator[int]:
    present = now_ms // 1000 // PERIOD_S
    yield from range(present - SKEW, present + SKEW + 1)


def shown_secret(secret: bytes) -> str:
    """Return a secret as people type it."""
    return base64.b32encode(secret).decode()


def otpauth_uri(secret: bytes, user_id: str, server_name: str) -> str:
    """Return the address that authenticator apps read from a QR code."""
    label = quote(f"{server_name}:{user_id}", safe="")
    query = urlencode(
        {"secret": shown_secret(secret), "issuer": server_name, "digits": DIGITS, "period": PERIOD_S}
    )
    return f"otpauth://totp/{label}?{query}"
