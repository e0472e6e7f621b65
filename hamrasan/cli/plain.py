"""Text that users of the server wrote, made fit for a terminal."""

from __future__ import annotations

import re

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters, which a terminal obeys, and those that turn the direction of what follows."""


def plain(value: object) -> str:
    """Return a value as text on one line; what a terminal would not show but obey is shown as its number."""
    return _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", str(value))


def plain_lines(text: str, indent: str) -> list[str]:
    """Return the lines of a text, each as `plain` does and indented; empty ones are left out."""
    return [indent + plain(line) for line in text.splitlines() if line.strip()]
