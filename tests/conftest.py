"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from hamrasan.runtime.descriptors import raise_descriptor_limit
from tests.running import Running, running
from tests.spec.exercised import forget, write_seen

# How long an example takes depends on what else the machine does; a test is not a stopwatch.
settings.register_profile("hamrasan", deadline=None)
settings.load_profile("hamrasan")

# Some tests hold thousands of connections, both ends of them.
raise_descriptor_limit()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that many tests share; each registers users of its own."""
    with running(tmp_path_factory.mktemp("server")) as shared:
        yield shared


@pytest.fixture(autouse=True)
def _connections_end_with_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close what a test opened to the shared server: thousands of tests would reach the limit of descriptors."""
    shared = request.getfixturevalue("server") if "server" in request.fixturenames else None
    if not isinstance(shared, Running):  # some modules have a server of another kind under this name
        yield
        return
    before = shared.people
    yield
    shared.part_from(before)


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Running]:
    """A server that nobody else uses."""
    with running(tmp_path / "data") as own:
        yield own


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Take out what a test saw that failed."""
    if report.failed:
        forget(report.nodeid)


def pytest_sessionfinish() -> None:
    """Leave what the tests of this process saw for `python -m tests.spec.exercised`."""
    write_seen()
