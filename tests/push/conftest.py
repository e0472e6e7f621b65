"""A server that may send to a gateway on the same machine, and such a gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateways import HERE, Gateway, gateway
from tests.running import Person, Running, running


@pytest.fixture(name="pushing", scope="module")
def _pushing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("pushing"), reachable_networks=HERE) as server:
        yield server


@pytest.fixture(name="gateway")
def _gateway() -> Iterator[Gateway]:
    with gateway(private=True) as own:
        yield own


@pytest.fixture
def alice(pushing: Running) -> Person:
    return pushing.register("alice")


@pytest.fixture
def bob(pushing: Running) -> Person:
    return pushing.register("bob")


@pytest.fixture
def carol(pushing: Running) -> Person:
    return pushing.register("carol")
