from __future__ import annotations

import pytest

from hamrasan.runtime.bounded_cache import BoundedCache


def test_values_are_found_until_they_are_dropped() -> None:
    cache: BoundedCache[str, int | None] = BoundedCache(3)
    cache.put("a", 1)
    cache.put("b", None)

    assert cache["a"] == 1
    assert "b" in cache
    assert cache.get("b") is None
    cache.drop("a")
    cache.drop("never put in")
    assert cache.get("a") is None
    with pytest.raises(KeyError):
        cache["a"]


def test_the_first_value_makes_room_for_one_too_many() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)
    assert len(cache) == 2

    cache.put("c", 4)
    assert "a" not in cache
    assert (cache["b"], cache["c"]) == (2, 4)


def test_a_cleared_cache_is_empty() -> None:
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.clear()
    assert len(cache) == 0
