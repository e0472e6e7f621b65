"""The tags of all of a user's rooms at once (client-server API, "Room Tagging"), for lists filtered by them."""

from __future__ import annotations

from collections.abc import Mapping

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.tags import TAG
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.storage.ports.user_data import AccountDataChanged, AccountDataReader

CAPACITY = 20_000
"""Users whose tags are kept: those whose clients filter by tags, and then a few rooms each."""

TagsOfRooms = Mapping[str, frozenset[str]]
"""Tags by room id; rooms without tags may be missing."""


class TaggedRooms:
    """Answers from memory once it was asked."""

    def __init__(self, account_data: AccountData, reader: AccountDataReader) -> None:
        self._reader = reader
        self._tags: BoundedCache[str, TagsOfRooms] = BoundedCache(CAPACITY)
        self._changes = 0
        account_data.on_change(TAG, self._changed)

    async def of(self, user_id: str) -> TagsOfRooms:
        """Return the tags of a user's rooms."""
        known = self._tags.get(user_id)
        while known is None:
            changes = self._changes
            rows = await self._reader.of_type(user_id, TAG)
            if changes == self._changes:  # else what was read may be older than what was changed meanwhile
                known = {row.room_id: parse_tags(row.content) for row in rows}
                self._tags.put(user_id, known)
        return known

    def _changed(self, change: AccountDataChanged) -> None:
        self._changes += 1
        self._tags.drop(change.user_id)


def parse_tags(content: bytes) -> frozenset[str]:
    """Return the names of the tags in an `m.tag`. Clients write it freely: what is malformed has none."""
    value = parse_json(content)
    tags = value.get("tags") if isinstance(value, dict) else None
    return frozenset(tags) if isinstance(tags, dict) else frozenset()
