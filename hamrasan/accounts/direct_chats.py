"""Which rooms a user has as direct chats (client-server API, "Direct Messaging")."""

from __future__ import annotations

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.account_data_cache import AccountDataCache
from hamrasan.protocol.canonical_json import parse_json

DIRECT = "m.direct"
NO_ROOMS: frozenset[str] = frozenset()


def parse_direct_chats(_user_id: str, content: bytes | None) -> frozenset[str]:
    """Return the rooms in an `m.direct`. Clients write it freely: what is malformed names no room."""
    value = None if content is None else parse_json(content)
    if not value or not isinstance(value, dict):
        return NO_ROOMS
    lists = [rooms for rooms in value.values() if isinstance(rooms, list)]
    return frozenset(room_id for rooms in lists for room_id in rooms if isinstance(room_id, str))


class DirectChats:
    """Answers which rooms are direct chats, from memory once it was asked."""

    def __init__(self, account_data: AccountData) -> None:
        self._rooms = AccountDataCache(account_data, DIRECT, parse_direct_chats)

    async def of(self, user_id: str) -> frozenset[str]:
        """Return the rooms that a user has as direct chats."""
        return await self._rooms.get(user_id)
