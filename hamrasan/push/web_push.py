"""Web Push: messages that only the receiving device can read (RFC 8291), and who sends them (RFC 8292)."""

from __future__ import annotations

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hamrasan.protocol.base64 import encode_base64_urlsafe
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock

CURVE = ec.SECP256R1()
POINT_BYTES = 65
"""A public key in uncompressed form (RFC 8291, section 3.1)."""
AUTH_BYTES = 16
"""RFC 8291, section 3.2."""
SALT_BYTES = 16
RECORD_BYTES = 4_096
"""All push services take a body of this size (RFC 8291, section 4)."""
_DELIMITER = b"\x02"
"""Ends the last record of a body (RFC 8188, section 2)."""
_TAG_BYTES = 16
_HEADER_BYTES = SALT_BYTES + 4 + 1 + POINT_BYTES
MAX_PLAIN_BYTES = RECORD_BYTES - _HEADER_BYTES - _TAG_BYTES - len(_DELIMITER)

TOKEN_LIFETIME_S = 12 * 60 * 60
"""RFC 8292, section 2: at most a day. Half of it, since clocks differ."""
TOKEN_REUSE_S = 6 * 60 * 60
"""How long a token is used again: signing one takes longer than sealing a message."""
CACHED_TOKENS = 1_000
"""Push services whose token is kept; there are a few large ones, and those that people run for themselves."""


def seal(
    plain: bytes, receiver: bytes, auth: bytes, sender: ec.EllipticCurvePrivateKey, salt: bytes
) -> bytes:
    """Return the body of a push message (RFC 8291, section 3.4; RFC 8188, section 2.1).

    `receiver` is the device's public key and `auth` its secret; `sender` and `salt` are new for each message. `plain`
    has at most `MAX_PLAIN_BYTES`. Raises `ValueError` if `receiver` is no point of the curve.
    """
    shared = sender.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, receiver))
    own = public_bytes(sender)
    material = _derive(shared, auth, b"WebPush: info\0" + receiver + own, 32)
    key = _derive(material, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(material, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD_BYTES.to_bytes(4, "big") + bytes([len(own)]) + own
    return header + AESGCM(key).encrypt(nonce, plain + _DELIMITER, None)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new private key."""
    return ec.generate_private_key(CURVE)


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key in uncompressed form."""
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def is_point(data: bytes) -> bool:
    """Return whether this is a public key in uncompressed form."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, data)
    except ValueError:
        return False
    return len(data) == POINT_BYTES


def _derive(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(material)


class Vapid:
    """The server's key for Web Push, by which push services know who sends."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str, clock: Clock) -> None:
        """`contact` is a URL (`https:`, `mailto:`) at which those who run push services reach the operator."""
        self._key = key
        self._contact = contact
        self._clock = clock
        self._tokens: BoundedCache[str, tuple[float, str]] = BoundedCache(CACHED_TOKENS)
        self.public_key = encode_base64_urlsafe(public_bytes(key))
        """What browsers are given when they subscribe (`applicationServerKey`)."""

    def authorization(self, origin: str) -> str:
        """Return the header `Authorization` for a push service (RFC 8292, section 3)."""
        now = self._clock.monotonic()
        known = self._tokens.get(origin)
        if known is None or known[0] <= now:
            known = (now + TOKEN_REUSE_S, self._sign(origin))
            self._tokens.put(origin, known)
        return f"vapid t={known[1]}, k={self.public_key}"

    def _sign(self, origin: str) -> str:
        """Return a signed token (RFC 7515, RFC 7518 section 3.4)."""
        claims = {
            "aud": origin,
            "exp": self._clock.now_ms() // 1000 + TOKEN_LIFETIME_S,
            "sub": self._contact,
        }
        parts = [
            encode_base64_urlsafe(orjson.dumps(part)) for part in ({"typ": "JWT", "alg": "ES256"}, claims)
        ]
        signed = ".".join(parts)
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return signed + "." + encode_base64_urlsafe(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def key_to_text(key: ec.EllipticCurvePrivateKey) -> str:
    """Return a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def key_from_text(text: str) -> ec.EllipticCurvePrivateKey:
    """Read a private key from PEM; raises `ValueError` for anything else."""
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except TypeError as error:  # one with a password
        raise ValueError(str(error)) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("it is of another kind")
    return key
