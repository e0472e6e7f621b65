"""A cache that cannot grow without end."""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Keeps at most `capacity` values; the one that was put in first goes first.

    First in, first out rather than least recently used: a hit then costs one dictionary look-up and nothing else, and
    what is used often is put back at the next miss.
    """

    __slots__ = ("_capacity", "_values")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: dict[K, V] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __getitem__(self, key: K) -> V:
        """Return the value of `key`; raises `KeyError`."""
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return the value of `key`, or None."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep `value`, at the expense of the oldest one if there are too many."""
        values = self._values
        if key not in values and len(values) >= self._capacity:
            del values[next(iter(values))]
        values[key] = value

    def drop(self, key: K) -> None:
        """Forget the value of `key`, if there is one."""
        self._values.pop(key, None)

    def items(self) -> list[tuple[K, V]]:
        """Return all keys with their values, those first that were put in first."""
        return list(self._values.items())

    def drain(self) -> list[tuple[K, V]]:
        """Return all keys with their values, those first that were put in first, and forget them."""
        values, self._values = self._values, {}
        return list(values.items())

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()
