"""Work that can wait rests while the process is busy, and hardly at all while it is not."""

from __future__ import annotations

import asyncio
import time

import pytest

from hamrasan.runtime import load


class Machine:
    """A clock that goes on by sleeping, and a process that uses a share of the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, busy: float) -> None:
        self.now = self.used = 0.0
        self.rests: list[float] = []
        self.busy = busy
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "process_time", lambda: self.used)
        monkeypatch.setattr(asyncio, "sleep", self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds
        self.used += seconds * self.busy

    def work(self, seconds: float) -> None:
        work = load.let_others_go_first(seconds)
        with pytest.raises(StopIteration):
            work.send(None)


def test_an_idle_server_is_hardly_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, busy=0.1)
    machine.work(0.05)
    assert machine.rests == [0.05]


def test_a_busy_server_is_left_alone_for_most_of_the_time_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(monkeypatch, busy=0.9)
    machine.work(0.05)
    assert machine.rests == [0.05] * load.RESTS


def test_the_smallest_work_rests_long_enough_to_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, busy=0.0)
    machine.work(0.0001)
    assert machine.rests == [load.SHORTEST_REST_S]
