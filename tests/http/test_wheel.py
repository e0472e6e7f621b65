"""The one timer: nothing early, nothing lost, nothing twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hamrasan.http.limits import TICK_SECONDS
from hamrasan.http.wheel import NEVER, UNFILED, Wheel


class Alarm:
    """Remembers when it was called."""

    def __init__(self) -> None:
        self.deadline = NEVER
        self.slot = UNFILED
        self.rung: list[float] = []

    def due(self, now: float) -> None:
        self.rung.append(now)


def test_rings_at_its_time_and_once() -> None:
    wheel, alarm = Wheel(0.0), Alarm()
    wheel.set(alarm, 10.0)
    for tick in range(200):
        wheel.turn(tick * TICK_SECONDS, 100)
    assert len(alarm.rung) == 1
    assert 10.0 <= alarm.rung[0] <= 10.0 + 2 * TICK_SECONDS


def test_no_more_than_asked_for_at_once() -> None:
    wheel = Wheel(0.0)
    alarms = [Alarm() for _ in range(10)]
    for alarm in alarms:
        wheel.set(alarm, 1.0)
    assert wheel.turn(5.0, 4)
    assert sum(len(alarm.rung) for alarm in alarms) == 4
    assert wheel.turn(5.0, 4)
    assert not wheel.turn(5.0, 4)
    assert all(len(alarm.rung) == 1 for alarm in alarms)


def test_a_time_that_has_passed_rings_with_the_next_turn() -> None:
    wheel, alarm = Wheel(100.0), Alarm()
    wheel.set(alarm, 50.0)
    wheel.turn(100.0 + TICK_SECONDS, 10)
    assert len(alarm.rung) == 1


@given(
    st.lists(st.tuples(st.integers(0, 4), st.one_of(st.just(NEVER), st.floats(0, 30))), max_size=60),
    st.floats(0, 1000),
)
def test_follows_the_last_deadline_that_was_set(steps: list[tuple[int, float]], start: float) -> None:
    """Against a model: each alarm rings once it is past its newest deadline, within two ticks, and not before."""
    now = start
    wheel = Wheel(now)
    alarms = [Alarm() for _ in range(5)]
    wanted = [NEVER] * 5

    def turn() -> None:
        wheel.turn(now, 1000)
        for index, alarm in enumerate(alarms):
            if alarm.rung:
                assert alarm.rung == [now]
                assert wanted[index] <= now
                wanted[index] = NEVER
                alarm.rung.clear()
            assert wanted[index] > now - 2 * TICK_SECONDS

    for which, delay in steps:
        wanted[which] = now + delay
        wheel.set(alarms[which], now + delay)
        now += TICK_SECONDS
        turn()
    for _ in range(int(31 / TICK_SECONDS)):
        now += TICK_SECONDS
        turn()
    assert wanted == [NEVER] * 5
