"""Locks by name: changes of one user's data that read before they write happen one after the other."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class KeyedLocks:
    """Gives the lock of a key: `async with locks(user_id): ...`. It lives only while somebody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __call__(self, key: str) -> asyncio.Lock:
        """Return the lock of `key`; it is the same one as long as anybody has it."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    def __len__(self) -> int:
        """Return how many locks are in use."""
        return len(self._locks)
