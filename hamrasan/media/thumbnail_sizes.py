"""Which thumbnails there can be of a file (client-server API, "Thumbnails"): few, whatever sizes are asked for."""

from __future__ import annotations

from hamrasan.media.refusals import Size

SCALED: tuple[Size, ...] = ((320, 240), (640, 480), (800, 600), (1600, 1200), (3200, 2400))
"""Boxes for `scale`: those of the specification, and twice as large ones for finer screens."""
CROPPED = (32, 96, 192, 320, 640, 800, 1600)
"""Longer sides for `crop`, likewise."""
QUARTERS = 4
"""The shorter side of a cropped one is so many quarters of the longer one: close to what was asked for, never less."""


def box_for(width: int, height: int, crop: bool) -> Size | None:
    """Return the box of the thumbnail to give to who asks for a size; None for that of the file itself.

    It is the smallest one that is not smaller than what was asked for in either direction.
    """
    if not crop:
        return next((box for box in SCALED if box[0] >= width and box[1] >= height), None)
    longer = next((side for side in CROPPED if side >= max(width, height)), None)
    if longer is None:
        return None
    quarter = longer // QUARTERS
    # Of the side that is given, so that the form is the one asked for: 100x50 becomes 192x96.
    quarters = -(-min(width, height) * QUARTERS // max(width, height))
    shorter = quarter * quarters
    return (longer, shorter) if width >= height else (shorter, longer)


def thumbnail_key(hash: bytes, variant: str) -> str:
    """Return the key of a thumbnail's blob, which lies beside that of the file."""
    return f"{hash.hex()}.{variant}"


def variant_of(box: Size | None, crop: bool, animated: bool) -> str:
    """Return the name of a kind of thumbnail."""
    size = "full" if box is None else f"{box[0]}x{box[1]}"
    return "-".join([size, "crop" if crop else "scale", *(["animated"] if animated else [])])
