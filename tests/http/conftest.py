"""What all tests of the edge share."""

from __future__ import annotations

import pytest

from hamrasan.runtime.log import configure


@pytest.fixture(autouse=True)
def _quiet_log() -> None:
    """Log as in production: a line for each request would be most of what these tests do."""
    configure("warning", "json")
