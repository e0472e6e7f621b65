"""Values that follow from a user's account data, kept in memory until it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from hamrasan.accounts.account_data import AccountData
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.storage.ports.user_data import GLOBAL, AccountDataChanged

T = TypeVar("T")

CAPACITY = 100_000
"""Users whose value is kept: those with an open session, mostly with the shared value for "nothing set"."""


class AccountDataCache(Generic[T]):
    """What `parse(user_id, content)` makes of the global account data of one type; content is None if there is none."""

    def __init__(
        self,
        account_data: AccountData,
        type: str,
        parse: Callable[[str, bytes | None], T],
        capacity: int = CAPACITY,
    ) -> None:
        self._account_data = account_data
        self._type = type
        self._parse = parse
        self._values: BoundedCache[str, T] = BoundedCache(capacity)
        self._changes = 0
        account_data.on_change(type, self._changed)

    async def get(self, user_id: str) -> T:
        """Return the user's value; without input or output if it is in memory."""
        try:
            return self._values[user_id]
        except KeyError:
            return await self._load(user_id)

    async def _load(self, user_id: str) -> T:
        while True:
            changes = self._changes
            content = await self._account_data.load(user_id, GLOBAL, self._type)
            if changes == self._changes:
                break
            # A change became durable meanwhile: what was read may be older than it.
        value = self._parse(user_id, content)
        self._values.put(user_id, value)
        return value

    def _changed(self, change: AccountDataChanged) -> None:
        if change.room_id == GLOBAL:
            self._changes += 1
            self._values.drop(change.user_id)
