"""The limit of open descriptors."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hamrasan.runtime.descriptors import raise_descriptor_limit


@pytest.fixture
def _few() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 64, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_few")
def test_more_can_be_opened_afterwards() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_descriptor_limit() == hard
    with ExitStack() as opened:
        for _ in range(soft):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
