"""Who shares encrypted rooms with whom: those who are told of each other's devices ("Tracking the device list").

Only encrypted rooms count, so that a public channel of a million does not tell a million people of every login.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hamrasan.storage.ports.journal import Position


class SharingReader(Protocol):
    """Reads who shares encrypted rooms."""

    async def encrypted_rooms(self, user_id: str) -> list[str]:
        """Return the ids of the encrypted rooms that the user is in."""

    async def sharing(self, user_id: str, others: Sequence[str]) -> set[str]:
        """Return those of `others` who are in an encrypted room with the user."""

    async def device_changes(self, user_id: str, after: Position, upto: Position) -> list[str]:
        """Return whose keys, as the user sees them, last changed in (after, upto].

        Among the user themselves and those who share an encrypted room; besides, whoever's keys the user has signed.
        """
