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

TOKEN_BYTES = 32
"""256 random bits: nobody guesses one, and a fast hash protects it in the store."""
MAX_TOKEN_CHARS = 64
"""Nothing longer is one of ours; it is refused before it is hashed."""


def new_token(entropy: Entropy, kind: str) -> str:
    """Return a token that was never given before."""
    return kind + entropy.token(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return what the store keeps of a token."""
    return sha256(token.encode(errors="replace")).digest()


def is_token(token: str, kind: str) -> bool:
    """Tell whether `token` can be one of ours of this kind."""
    return token.startswith(kind) and len(token) <= MAX_TOKEN_CHARS


def new_number(entropy: Entropy) -> int:
    """Return a number for a row: random, so that the server and the command line never give the same one."""
    return int.from_bytes(entropy.bytes(8), "big") >> 1
