"""Making a small picture of a large one; runs in the worker process only, since what it reads may be hostile."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageCms

from hamrasan.media.refusals import Refused, Size

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "AVIF")
"""What is read. Pillow knows dozens of formats, and each reader is a way in."""
MAX_PIXELS = 100_000_000
"""Of a picture; the largest telephones make 200 million, and hardly anybody lets them. 400 MB at four bytes each."""
MAX_FRAMES = 150
"""Of an animation that stays one; more are answered with a picture that stands still."""
MAX_ANIMATED_PIXELS = 60_000_000
"""Of all the frames together, for the same reason: a few seconds of work."""
_ORIENTATION = 0x0112
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture has to be turned for each orientation that a camera notes (EXIF 2.3, tag 0x0112)."""
_SIDEWAYS = frozenset({5, 6, 7, 8})
_JPEG_QUALITY = 82
_WEBP_QUALITY = 75
_SAFE_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
"""Formats that the specification lets a thumbnail have, so that a file may be its own."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail; without `content` the file itself is as good."""

    content_type: str
    content: bytes | None


_OWN_ANIMATIONS = ("GIF", "WEBP")
"""Formats of which every client shows that they move."""
Part = tuple[float, float, float, float]
"""Left, top, right and bottom edge."""


def make_thumbnail(file: Path, box: Size | None, crop: bool, animated: bool) -> Thumbnail:
    """Return a thumbnail that fits into `box`, or fills it after `crop`; None stands for the size that the file has.

    It is never larger than the file. Raises `Refused`.
    """
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        raise Refused("gone") from None
    try:
        with stream, Image.open(stream, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Refused("too large")
            moves = bool(getattr(image, "is_animated", False))
            if animated and moves:
                if image.format in _OWN_ANIMATIONS and _target(image.size, box, crop)[0] == image.size:
                    image.load()
                    return Thumbnail(_SAFE_TYPES[image.format], None)
                frames = _frames(image, box, crop)
                if frames is not None:
                    return Thumbnail("image/webp", _write_animation(*frames))
            return _still(image, box, crop, moves)
    except (MemoryError, Image.DecompressionBombError) as error:
        raise Refused("too large") from error
    except Refused:
        raise
    except Exception as error:  # whatever a reader stumbles over
        raise Refused("unreadable") from error


def examine_picture(file: Path) -> tuple[str, int, int]:
    """Return content type, width and height of a picture, upright. Raises `Refused`."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Refused("too large")
            content_type = f"image/{(image.format or '').lower()}"
            image.load()
            width, height = image.size
            sideways = _orientation(image) in _SIDEWAYS
    except (MemoryError, Image.DecompressionBombError) as error:
        raise Refused("too large") from error
    except Refused:
        raise
    except Exception as error:  # whatever a reader stumbles over
        raise Refused("unreadable") from error
    return (content_type, height, width) if sideways else (content_type, width, height)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken notes of a camera are no reason not to show its picture
        return 1


def _target(size: Size, box: Size | None, crop: bool) -> tuple[Size, Part]:
    """Return the size of the result, and the part of the picture that goes into it."""
    width, height = size
    if box is None or (width <= box[0] and height <= box[1]):
        return size, (0, 0, width, height)
    if not crop:
        scale = min(box[0] / width, box[1] / height)
        return (max(1, round(width * scale)), max(1, round(height * scale))), (0, 0, width, height)
    # The largest part that has the form of the box; where the picture is smaller than that, it is not enlarged.
    scale = min(width / box[0], height / box[1])
    part_width, part_height = box[0] * scale, box[1] * scale
    result = box if scale >= 1 else (max(1, round(part_width)), max(1, round(part_height)))
    left, top = (width - part_width) / 2, (height - part_height) / 2
    return result, (left, top, left + part_width, top + part_height)


def _still(image: Image.Image, box: Size | None, crop: bool, moves: bool) -> Thumbnail:
    if image.format != "JPEG":
        image.load()  # before its notes are read, which would do it, too, and lose what is wrong with it
    orientation = _orientation(image)
    if box is not None and orientation in _SIDEWAYS:
        box = (box[1], box[0])
    result, part = _target(image.size, box, crop)
    own_type = _SAFE_TYPES.get(image.format or "")
    if result == image.size and orientation == 1 and not moves and own_type is not None:
        image.load()  # that it begins like a picture is not enough
        return Thumbnail(own_type, None)
    if image.format == "JPEG":
        part = _draft(image, result, part)
    small = _smaller(image, result, part)
    if orientation in _TURNED:
        small = small.transpose(_TURNED[orientation])
    return _write(small)


def _draft(image: Image.Image, result: Size, part: Part) -> Part:
    """Have a JPEG decoded in a size that is just enough, and return the part in that size."""
    width = image.width
    enough = 2 * max(result[0] / (part[2] - part[0]), result[1] / (part[3] - part[1]))
    image.draft(None, (round(width * enough), round(image.height * enough)))
    scale = image.width / width
    left, top, right, bottom = (edge * scale for edge in part)
    return left, top, min(right, image.width), min(bottom, image.height)


def _smaller(image: Image.Image, size: Size, part: Part) -> Image.Image:
    """Return a part of a picture in another size, in colours that every client shows alike."""
    has_alpha = image.has_transparency_data
    profile = image.info.get("icc_profile")
    if image.mode not in ("RGB", "RGBA", "L", "LA", "CMYK"):
        image = image.convert("RGBA" if has_alpha else "RGB")
    small = image.resize(size, Image.Resampling.LANCZOS, box=part, reducing_gap=2.0)
    if profile:
        small = _in_srgb(small, profile)
    small = small.convert("RGBA" if has_alpha else "RGB")
    small.info = {}  # comments, places, names: what is written into a file is not for its thumbnail
    return small


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        mode = "RGBA" if image.mode in ("RGBA", "LA") else "RGB"
        changed = ImageCms.profileToProfile(image, source, target, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # the profile is broken or for other colours
    return image if changed is None else changed


def _write(image: Image.Image) -> Thumbnail:
    out = io.BytesIO()
    if image.mode == "RGBA":
        image.save(out, "PNG", optimize=False)
        return Thumbnail("image/png", out.getvalue())
    image.save(out, "JPEG", quality=_JPEG_QUALITY, progressive=True)
    return Thumbnail("image/jpeg", out.getvalue())


def _frames(image: Image.Image, box: Size | None, crop: bool) -> tuple[list[Image.Image], list[int]] | None:
    """Return the frames of an animation, made smaller, and how many milliseconds each is shown; None for too many."""
    size, part = _target(image.size, box, crop)
    most = min(MAX_FRAMES, MAX_ANIMATED_PIXELS // (image.width * image.height))
    frames: list[Image.Image] = []
    durations: list[int] = []
    while True:
        if len(frames) >= most:
            image.seek(0)
            return None
        frames.append(_smaller(image, size, part))
        durations.append(max(0, min(int(image.info.get("duration", 0) or 0), 60_000)))
        try:
            image.seek(len(frames))
        except EOFError:
            return frames, durations


def _write_animation(frames: list[Image.Image], durations: list[int]) -> bytes:
    out = io.BytesIO()
    first, *rest = frames
    first.save(
        out,
        "WEBP",
        save_all=True,
        append_images=rest,
        duration=durations,
        loop=0,
        quality=_WEBP_QUALITY,
        method=2,
    )
    return out.getvalue()
