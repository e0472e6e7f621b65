"""Unpadded Base64 (appendices, "Unpadded Base64")."""

from __future__ import annotations

from base64 import b64decode
from binascii import b2a_base64

from hamrasan.protocol.errors import invalid_param


def encode_base64(data: bytes) -> str:
    """Return standard Base64 without padding."""
    return b2a_base64(data, newline=False).rstrip(b"=").decode("ascii")


def encode_base64_urlsafe(data: bytes) -> str:
    """Return URL-safe Base64 without padding."""
    return encode_base64(data).replace("+", "-").replace("/", "_")


def decode_base64(text: str) -> bytes:
    """Read standard or URL-safe Base64, padded or not; raise `M_INVALID_PARAM` if it is neither."""
    unpadded = text.rstrip("=")
    if ("-" in unpadded or "_" in unpadded) and "+" not in unpadded and "/" not in unpadded:
        unpadded = unpadded.replace("-", "+").replace("_", "/")
    try:
        return b64decode(unpadded + "=" * (-len(unpadded) % 4), validate=True)
    except ValueError as error:
        raise invalid_param(f"This is not valid Base64: {error}.") from None
