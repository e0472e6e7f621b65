"""Thumbnails as they are made of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from hamrasan.media.imaging import Thumbnail, make_thumbnail
from hamrasan.media.refusals import Refused, Size
from tests.media_files import animation, halves, opened, picture, turned, written


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Return what makes a thumbnail of bytes."""

    def make(content: bytes, box: Size | None, crop: bool = False, animated: bool = False) -> Thumbnail:
        file = tmp_path / "file"
        file.write_bytes(content)
        return make_thumbnail(file, box, crop, animated)

    return make


def decoded(thumbnail: Thumbnail) -> Image.Image:
    assert thumbnail.content is not None
    return opened(thumbnail.content)


def pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    found = image.getpixel((x, y))
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "AVIF"])
def test_every_format_is_made_smaller_in_its_own_form(make: Any, format: str) -> None:
    made = make(picture((1000, 500), format), (320, 240))
    assert made.content_type == "image/jpeg"
    assert decoded(made).size == (320, 160)


@pytest.mark.parametrize(
    ("size", "box", "result"),
    [
        ((1000, 500), (96, 96), (96, 96)),
        ((500, 1000), (96, 48), (96, 48)),
        ((1000, 500), (320, 80), (320, 80)),
        ((50, 1000), (96, 96), (50, 50)),
        ((1000, 60), (96, 96), (60, 60)),
    ],
)
def test_a_cropped_one_has_the_form_that_was_asked_for(
    make: Any, size: Size, box: Size, result: Size
) -> None:
    assert decoded(make(picture(size), box, crop=True)).size == result


def test_a_cropped_one_shows_the_middle(make: Any) -> None:
    for format in ("PNG", "JPEG"):
        small = decoded(make(halves((3000, 500), format), (96, 96), crop=True)).convert("RGB")
        left, right = pixel(small, 5, 48), pixel(small, 90, 48)
        assert left[0] > 200 > left[2]
        assert right[2] > 200 > right[0]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("crop", [False, True])
def test_a_small_picture_is_its_own_thumbnail(make: Any, format: str, crop: bool) -> None:
    assert make(picture((30, 20), format), (32, 32), crop).content is None
    assert make(picture((30, 20), format), None, crop).content is None


def test_no_picture_is_enlarged(make: Any) -> None:
    made = make(picture((30, 20), "AVIF"), (320, 240))
    assert (made.content_type, decoded(made).size) == ("image/jpeg", (30, 20))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(make: Any, orientation: int) -> None:
    small = decoded(make(turned(orientation), (100, 100))).convert("RGB")
    sideways = orientation >= 5
    assert small.size == ((50, 100) if sideways else (100, 50))
    width, height = small.size
    # Where the red half of the stored picture ends up (EXIF 2.3, tag 0x0112).
    first = (width // 2, 5) if sideways else (5, height // 2)
    last = (width // 2, height - 5) if sideways else (width - 5, height // 2)
    red_is_first = orientation in (1, 4, 5, 6)
    red, blue = (first, last) if red_is_first else (last, first)
    assert pixel(small, *red)[0] > 200
    assert pixel(small, *blue)[2] > 200


def test_a_box_is_meant_for_the_upright_picture(make: Any) -> None:
    assert decoded(make(turned(6, (400, 200)), (48, 96), crop=True)).size == (48, 96)
    assert decoded(make(turned(6, (400, 200)), (320, 240))).size == (120, 240)


def test_what_was_written_about_a_picture_is_not_in_its_thumbnail(make: Any) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    made = make(picture((800, 800), "JPEG", exif=exif, comment=b"my address"), (96, 96), crop=True)
    assert b"home" not in made.content
    assert b"address" not in made.content


def test_transparency_stays(make: Any) -> None:
    for content in (
        picture((800, 800), mode="RGBA", colour=(255, 0, 0, 0)),
        picture((800, 800), "GIF", mode="P", colour=0, transparency=0),
    ):
        made = make(content, (96, 96), crop=True)
        assert made.content_type == "image/png"
        assert pixel(decoded(made), 5, 5)[3] == 0


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK"])
def test_pictures_in_other_colours(make: Any, mode: str) -> None:
    format = "TIFF" if mode == "CMYK" else "PNG"
    if format == "TIFF":
        content = written(Image.new("CMYK", (500, 500), (0, 0, 0, 0)), "JPEG")
    else:
        content = written(Image.new(mode, (500, 500)), format)
    assert decoded(make(content, (96, 96), crop=True)).size == (96, 96)


def test_colours_are_brought_to_what_all_clients_show(make: Any) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    good = make(picture((500, 500), "JPEG", icc_profile=profile), (96, 96), crop=True)
    broken = make(picture((500, 500), "JPEG", icc_profile=b"no profile"), (96, 96), crop=True)
    for made in (good, broken):
        assert "icc_profile" not in decoded(made).info
        assert pixel(decoded(made).convert("RGB"), 50, 50)[0] > 240


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_what_moves_goes_on_moving_if_that_is_wanted(make: Any, format: str) -> None:
    content = animation((800, 600), format)
    made = make(content, (320, 240), animated=True)
    assert made.content_type == "image/webp"
    moving = decoded(made)
    assert (moving.size, getattr(moving, "n_frames", 1)) == ((320, 240), 4)
    still = decoded(make(content, (320, 240)))
    assert getattr(still, "n_frames", 1) == 1


@pytest.mark.parametrize("crop", [False, True])
def test_what_moves_and_is_small_stands_still_unless_wanted(make: Any, crop: bool) -> None:
    content = animation((30, 20), "GIF")
    assert make(content, (32, 32), crop, animated=True) == Thumbnail("image/gif", None)
    still = make(content, (32, 32), crop)
    assert still.content_type == "image/jpeg"
    assert decoded(still).size == (30, 20)


def test_a_picture_that_does_not_move_is_like_any_other(make: Any) -> None:
    assert make(picture((800, 600)), (320, 240), animated=True).content_type == "image/jpeg"


def test_too_many_frames_become_one(make: Any) -> None:
    made = make(animation((400, 300), "GIF", frames=151), (320, 240), animated=True)
    assert made.content_type == "image/jpeg"


def test_what_is_no_picture_is_refused(make: Any, tmp_path: Path) -> None:
    for content in (b"", b"hello", picture((100, 100), "BMP"), picture((100, 100), "TIFF")):
        with pytest.raises(Refused) as refused:
            make(content, (32, 32))
        assert refused.value.reason == "unreadable"
    with pytest.raises(Refused) as gone:
        make_thumbnail(tmp_path / "nothing", (32, 32), False, False)
    assert gone.value.reason == "gone"
