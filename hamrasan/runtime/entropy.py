"""Chance, as a thing that is handed in: tokens, identifiers and keys begin here."""

from __future__ import annotations

import base64
import builtins
import secrets
import string
from typing import Protocol

_LETTERS = string.ascii_letters


class Entropy(Protocol):
    """Gives values that nobody can guess."""

    def bytes(self, n: int) -> builtins.bytes:
        """Return `n` random bytes (seeds of keys, salts)."""
        ...

    def token(self, n_bytes: int) -> str:
        """Return `n_bytes` random bytes as URL-safe base64 without padding (access tokens)."""
        ...

    def id(self, n: int) -> str:
        """Return `n` random letters (the local part of room ids, device ids, media ids)."""
        ...


class SystemEntropy:
    """The operating system's generator."""

    __slots__ = ()

    def bytes(self, n: int) -> builtins.bytes:
        """Return `n` random bytes."""
        return secrets.token_bytes(n)

    def token(self, n_bytes: int) -> str:
        """Return `n_bytes` random bytes as URL-safe base64 without padding."""
        return base64.urlsafe_b64encode(secrets.token_bytes(n_bytes)).rstrip(b"=").decode("ascii")

    def id(self, n: int) -> str:
        """Return `n` random ASCII letters; each carries 5.7 bits."""
        return "".join([secrets.choice(_LETTERS) for _ in range(n)])
