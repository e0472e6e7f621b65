"""A server that others ask, people on it, and another server that a test plays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.federation.country import Member, country
from tests.federation.visitors import Visitor
from tests.running import Person


@pytest.fixture(scope="module")
def here() -> Iterator[Member]:
    """A server that the tests of a module share."""
    with country("here") as (member,):
        yield member


@pytest.fixture(scope="module")
def there(here: Member) -> Visitor:
    """A server that the tests of a module play."""
    return Visitor(here.land.stranger("there"), here)


@pytest.fixture(scope="module")
def elsewhere(here: Member) -> Visitor:
    """One more, for what only one of two may do."""
    return Visitor(here.land.stranger("elsewhere"), here)


@pytest.fixture
def alice(here: Member) -> Iterator[Person]:
    person = here.register("alice")
    yield person
    person.http.close()


@pytest.fixture
def bob(here: Member) -> Iterator[Person]:
    person = here.register("bob")
    yield person
    person.http.close()
