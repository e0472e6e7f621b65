"""Why there is no thumbnail of a file."""

from __future__ import annotations

from typing import Literal

Size = tuple[int, int]
"""Width and height in pixels."""
Refusal = Literal["unreadable", "too large", "gone"]


class Refused(Exception):
    """There is no thumbnail of this file, and why."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason: Refusal = reason
