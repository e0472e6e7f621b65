"""Which of two backed-up keys is kept."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.key_backups import is_better


class Key(NamedTuple):
    first_message_index: int
    forwarded_count: int
    is_verified: bool


keys = st.builds(Key, st.integers(0, 3), st.integers(0, 3), st.booleans())


@given(one=keys, other=keys)
def test_of_two_different_keys_just_one_is_better(one: Key, other: Key) -> None:
    assert is_better(one, other) + is_better(other, one) == (one != other)


@given(one=keys, other=keys)
def test_verified_counts_before_the_index_and_that_before_forwarding(one: Key, other: Key) -> None:
    if one.is_verified != other.is_verified:
        assert is_better(one, other) == one.is_verified
    elif one.first_message_index != other.first_message_index:
        assert is_better(one, other) == (one.first_message_index < other.first_message_index)
    else:
        assert is_better(one, other) == (one.forwarded_count < other.forwarded_count)
