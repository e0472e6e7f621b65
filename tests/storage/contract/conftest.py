"""What most tests of a store begin with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stores import Scenario, on_store


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Scenario], None]:
    """Return what runs a scenario on an empty store."""
    return lambda scenario: on_store(tmp_path, scenario)
