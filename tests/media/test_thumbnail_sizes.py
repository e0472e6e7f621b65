"""Which thumbnail is given for a size that is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.media.refusals import Size
from hamrasan.media.thumbnail_sizes import box_for, variant_of

SIDES = st.integers(1, 5_000)


@pytest.mark.parametrize(("size", "crop"), [((32, 32), True), ((96, 96), True)])
def test_the_cropped_ones_of_the_specification(size: Size, crop: bool) -> None:
    assert box_for(*size, crop) == size


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (800, 600)])
def test_the_scaled_ones_of_the_specification(size: Size) -> None:
    assert box_for(*size, crop=False) == size


@given(SIDES, SIDES, st.booleans())
def test_a_box_is_never_smaller_than_what_was_asked_for(width: int, height: int, crop: bool) -> None:
    box = box_for(width, height, crop)
    if box is None:
        assert max(width, height) > 1_600
    else:
        assert box[0] >= width
        assert box[1] >= height


@given(SIDES, SIDES)
def test_a_cropped_box_has_nearly_the_form_that_was_asked_for(width: int, height: int) -> None:
    box = box_for(width, height, crop=True)
    if box is not None:
        asked, given = min(width, height) / max(width, height), min(box) / max(box)
        assert asked <= given < asked + 0.25 + 1e-9
        assert (box[0] >= box[1]) == (width >= height) or box[0] == box[1]


def test_there_are_few_of_them() -> None:
    sizes = [(width, height) for width in range(1, 2_000, 7) for height in range(1, 2_000, 7)]
    assert (
        len({variant_of(box_for(*size, crop), crop, False) for size in sizes for crop in (True, False)}) < 60
    )
