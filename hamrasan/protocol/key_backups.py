"""Which of two backed-up keys is kept (client-server API, "Server-side key backups")."""

from __future__ import annotations

from typing import Protocol

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
"""The only algorithm of backups that the specification has."""


class Backed(Protocol):
    """What is compared of a backed-up key."""

    @property
    def first_message_index(self) -> int:
        """The first message that the key opens."""

    @property
    def forwarded_count(self) -> int:
        """How often the key was handed on."""

    @property
    def is_verified(self) -> bool:
        """Whether the device that backed it up had verified the device that it came from."""


def is_better(key: Backed, known: Backed) -> bool:
    """Return whether a key replaces the one that is there: verified, from earlier on, forwarded less often."""
    return _rank(key) < _rank(known)


def _rank(key: Backed) -> tuple[bool, int, int]:
    return (not key.is_verified, key.first_message_index, key.forwarded_count)
