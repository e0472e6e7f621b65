"""Two servers that are there for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.federation.country import Member, country
from tests.running import Person


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Member, Member]]:
    """Two servers of a country, named `a.test` and `b.test`."""
    with country("a", "b") as (a, b):
        yield a, b


@pytest.fixture
def ali(pair: tuple[Member, Member]) -> Person:
    """Somebody on the first server."""
    return pair[0].register("ali")


@pytest.fixture
def bahar(pair: tuple[Member, Member]) -> Person:
    """Somebody on the second server."""
    return pair[1].register("bahar")
