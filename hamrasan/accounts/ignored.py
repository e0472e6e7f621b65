"""Whom a user ignores (client-server API, "Ignoring Users")."""

from __future__ import annotations

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.account_data_cache import AccountDataCache
from hamrasan.protocol.canonical_json import parse_json

IGNORED_USER_LIST = "m.ignored_user_list"
NOBODY: frozenset[str] = frozenset()


def parse_ignored_users(user_id: str, content: bytes | None) -> frozenset[str]:
    """Return the users in an `m.ignored_user_list`. Clients write it freely: what is malformed ignores nobody.

    Nobody can ignore themselves, since that would take their own messages away from them.
    """
    value = None if content is None else parse_json(content)
    ignored = value.get("ignored_users") if isinstance(value, dict) else None
    if not ignored or not isinstance(ignored, dict):
        return NOBODY
    return frozenset(ignored) - {user_id}


class IgnoredUsers:
    """Answers whom a user ignores, from memory once it was asked."""

    def __init__(self, account_data: AccountData) -> None:
        self._lists = AccountDataCache(account_data, IGNORED_USER_LIST, parse_ignored_users)

    async def ignored_by(self, user_id: str) -> frozenset[str]:
        """Return the users whom `user_id` ignores."""
        return await self._lists.get(user_id)
