"""People whom the tests of many endpoints need; each is registered by the first test that asks for them."""

from __future__ import annotations

import pytest

from tests.running import Person, Running


@pytest.fixture
def alice(server: Running) -> Person:
    return server.register("alice")


@pytest.fixture
def bob(server: Running) -> Person:
    return server.register("bob")


@pytest.fixture
def carol(server: Running) -> Person:
    return server.register("carol")
