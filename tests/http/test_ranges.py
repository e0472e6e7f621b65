"""Ranges and conditions of requests for files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.http.ranges import NotSatisfiable, is_among, part_of

TAG = '"tag"'


@given(st.integers(0, 10_000), st.text(alphabet="bytes=0123456789-, \t", max_size=30))
def test_a_part_is_always_inside_the_file(size: int, header: str) -> None:
    try:
        part = part_of(size, TAG, header, None)
    except NotSatisfiable:
        return
    if part is not None:
        start, length = part
        assert start >= 0
        assert length > 0
        assert start + length <= size


@given(st.integers(1, 10_000), st.integers(0, 10_000), st.integers(0, 20_000))
def test_a_part_is_what_slicing_gives(size: int, first: int, last: int) -> None:
    content = bytes(number % 251 for number in range(size))
    wanted = content[first : last + 1]
    if last < first:
        assert part_of(size, TAG, f"bytes={first}-{last}", None) is None
    elif not wanted:
        with pytest.raises(NotSatisfiable):
            part_of(size, TAG, f"bytes={first}-{last}", None)
    else:
        part = part_of(size, TAG, f"bytes={first}-{last}", None)
        assert part is not None
        assert content[part[0] : part[0] + part[1]] == wanted


def test_a_condition_that_does_not_hold_asks_for_everything() -> None:
    assert part_of(100, TAG, "bytes=0-9", TAG) == (0, 10)
    assert part_of(100, TAG, "bytes=0-9", '"other"') is None
    assert part_of(100, TAG, "bytes=0-9", "Tue, 24 Nov 2026 00:00:00 GMT") is None


def test_tags_are_compared_without_their_weakness() -> None:
    assert is_among(TAG, '"a", W/"tag" ,"b"')
    assert not is_among(TAG, '"tags"')
    assert not is_among(TAG, None)
