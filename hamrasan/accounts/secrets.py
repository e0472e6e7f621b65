"""Tokens as clients hold them, and their hashes as the store does.

The prefix tells people, and programs that search for leaked secrets, what kind of token they see.
"""

from __future__ import annotations

from hashlib import sha256

from hamrasan.runtime.entropy import Entropy

ACCESS = "hma_"
REFRESH = "hmr_"
LOGIN = "hml_"
OPENID = "hmo_"
CODE = "hmc_"
BROWSER = "hmb_"
DEVICE_CODE = "hmd_"

TOKEN_BYTES = 32
"""256 random bits: nobody guesses one, and a fast hash protects it in the store."""
FAMILY_BYTES = 12
"""96 random bits that the refresh tokens of a session share; the other 256 are those that let somebody in."""
MAX_TOKEN_CHARS = 64
"""Nothing longer is one of ours; it is refused before it is hashed."""


def new_token(entropy: Entropy, kind: str) -> str:
    """Return a token that was never given before."""
    return kind + entropy.token(TOKEN_BYTES)


def new_family(entropy: Entropy) -> str:
    """Return what the refresh tokens of a new session have in common.

    Whoever brings one of them that is not valid any more has kept it, or has stolen it: the session can be ended.
    """
    return entropy.token(FAMILY_BYTES)


def family_of(refresh_token: str) -> str:
    """Return what a refresh token has in common with others of its session; empty if there is no such thing."""
    begin = len(REFRESH)
    if len(refresh_token) != begin + _letters(FAMILY_BYTES) + _letters(TOKEN_BYTES):
        return ""
    return refresh_token[begin : begin + _letters(FAMILY_BYTES)]


def _letters(size: int) -> int:
    return -(-size * 4 // 3)


def hash_token(token: str) -> bytes:
    """Return what the store keeps of a token."""
    return sha256(token.encode(errors="replace")).digest()


def is_token(token: str, kind: str) -> bool:
    """Tell whether `token` can be one of ours of this kind."""
    return token.startswith(kind) and len(token) <= MAX_TOKEN_CHARS


def new_number(entropy: Entropy) -> int:
    """Return a number for a row: random, so that the server and the command line never give the same one."""
    return int.from_bytes(entropy.bytes(8), "big") >> 1
