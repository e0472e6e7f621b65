"""How tests of the edge run."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import uvloop


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test on the loop that serves in production."""
    uvloop.run(test)
