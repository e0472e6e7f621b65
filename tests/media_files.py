"""Pictures and other files for tests, made by the tests themselves."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

RED, BLUE = (255, 0, 0), (0, 0, 255)


def picture(
    size: tuple[int, int] = (400, 300),
    format: str = "PNG",
    mode: str = "RGB",
    colour: Any = RED,
    **options: Any,
) -> bytes:
    """Return a picture of one colour."""
    return written(Image.new(mode, size, colour), format, **options)


def halves(size: tuple[int, int] = (400, 300), format: str = "PNG", **options: Any) -> bytes:
    """Return a picture whose left half is red and whose right half is blue."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return written(image, format, **options)


def animation(
    size: tuple[int, int] = (400, 300), format: str = "GIF", frames: int = 4, **options: Any
) -> bytes:
    """Return a picture that changes its colour."""
    first, *rest = [Image.new("RGB", size, (20 * number % 256, 0, number % 256)) for number in range(frames)]
    return written(first, format, save_all=True, append_images=rest, duration=70, **options)


def written(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def turned(orientation: int, size: tuple[int, int] = (400, 200)) -> bytes:
    """Return a JPEG, its left half red, that a camera took with an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return halves(size, "JPEG", exif=exif, quality=95)


def opened(content: bytes) -> Image.Image:
    """Return a picture, decoded."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def png_chunk(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    """Return a chunk of a PNG, with a wrong checksum if one is given."""
    crc = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(width: int, height: int, data: bytes, *more: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """Return a PNG that says it has a size, whatever its (compressed) data are."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
