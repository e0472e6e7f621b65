"""Who has a turn when: property by property, on a clock that the test moves."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hamrasan.push.gateways import (
    DOWN_AFTER,
    FIRST_DELAY_S,
    MAX_AT_ONCE,
    MAX_AT_ONCE_PER_GATEWAY,
    MAX_GATEWAY_DELAY_S,
    MAX_PUSHER_DELAY_S,
    MAX_UNPROVEN_AT_ONCE,
    Schedule,
    Turn,
)
from hamrasan.storage.ports.push import PusherId


class Later:
    """Something that happens later, unless it is called off."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class World:
    """A schedule, its clock, and the turns that are under way."""

    def __init__(self) -> None:
        self.now = 0.0
        self.under_way: list[Turn] = []
        self._timers: list[tuple[float, int, Later]] = []
        self._order = itertools.count()
        self.schedule = Schedule(self.under_way.append, self._call_later)

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> Later:
        later = Later(callback)
        heapq.heappush(self._timers, (self.now + seconds, next(self._order), later))
        return later

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            self.now, _, later = heapq.heappop(self._timers)
            if later.callback is not None:
                later.callback()
        self.now = until

    def want(self, name: str, gateway: str = "g", *, badge: bool = False) -> None:
        self.schedule.want(pusher(name), gateway, badge=badge)

    def begun(self) -> list[str]:
        return [turn.pusher.user_id for turn in self.under_way]

    def take(self, name: str) -> Turn:
        (turn,) = [turn for turn in self.under_way if turn.pusher.user_id == name]
        self.under_way.remove(turn)
        return turn


def pusher(name: str) -> PusherId:
    return PusherId(name, "app", "key")


def names(count: int, of: str = "p") -> list[str]:
    return [f"{of}{number}" for number in range(count)]


def test_a_pusher_has_one_turn_at_a_time_and_another_for_what_came_meanwhile() -> None:
    world = World()
    for _ in range(3):
        world.want("a")
    assert world.begun() == ["a"]
    world.schedule.done(world.take("a"))
    assert world.begun() == ["a"]
    world.schedule.done(world.take("a"))
    assert (world.begun(), len(world.schedule)) == ([], 0)


def test_a_gateway_gets_some_at_once_and_leaves_room_for_others() -> None:
    world = World()
    for name in names(3 * MAX_AT_ONCE_PER_GATEWAY):
        world.want(name)
    assert world.begun() == names(MAX_AT_ONCE_PER_GATEWAY)
    for number in range(20):
        for name in names(MAX_AT_ONCE_PER_GATEWAY, of=f"{number}-"):
            world.want(name, f"gateway {number}")
    assert len(world.under_way) == MAX_UNPROVEN_AT_ONCE
    for _ in range(20):
        world.schedule.done(world.under_way.pop(0))
    assert len(world.under_way) > MAX_UNPROVEN_AT_ONCE
    for _ in range(100):
        world.schedule.done(world.under_way.pop(0))
    assert len(world.under_way) == MAX_AT_ONCE


def test_any_number_of_gateways_that_hang_leave_the_others_alone() -> None:
    world = World()
    world.want("warm", "good")
    world.schedule.done(world.take("warm"))
    for number in range(500):
        world.want(f"bad{number}", f"hangs {number}")
    assert len(world.under_way) == MAX_UNPROVEN_AT_ONCE
    for name in names(MAX_AT_ONCE_PER_GATEWAY):
        world.want(name, "good")
    assert set(names(MAX_AT_ONCE_PER_GATEWAY)) <= set(world.begun())
    for _ in range(500):
        world.schedule.failed(world.under_way.pop(0))
    assert {turn.gateway.name for turn in world.under_way if not turn.is_trial} <= {"good"}


def test_who_fails_waits_longer_and_longer() -> None:
    world = World()
    world.want("a", "good")
    world.want("b", "good")
    pauses = []
    for _ in range(14):
        began = world.now
        world.schedule.failed(world.take("a"))
        world.schedule.more(world.take("b"))  # another succeeds: it is not the gateway
        while "a" not in world.begun():
            world.pass_time(0.5)
        pauses.append(world.now - began)
    assert pauses[:4] == [FIRST_DELAY_S * 2**number for number in range(4)]
    assert pauses[-1] == MAX_PUSHER_DELAY_S


def test_who_is_asked_for_patience_has_it() -> None:
    world = World()
    world.want("a")
    world.schedule.failed(world.take("a"), 100.0)
    world.pass_time(99.0)
    assert world.begun() == []
    world.pass_time(1.0)
    assert world.begun() == ["a"]


def test_a_gateway_that_is_down_is_tried_by_one_at_a_time_until_it_is_up() -> None:
    world = World()
    for name in names(40):
        world.want(name)
    went_down = []
    while world.under_way:
        went_down.append(world.schedule.failed(world.under_way.pop(0)))
    assert len(went_down) == MAX_AT_ONCE_PER_GATEWAY + DOWN_AFTER - 1
    assert went_down.count(True) == 1
    assert went_down.index(True) == DOWN_AFTER - 1
    tries = 0
    while world.now < 10 * MAX_GATEWAY_DELAY_S:
        world.pass_time(FIRST_DELAY_S)
        assert len(world.under_way) <= 1
        for turn in list(world.under_way):
            tries += 1
            world.under_way.remove(turn)
            world.schedule.failed(turn)
    assert tries < 20
    while not world.under_way:
        world.pass_time(FIRST_DELAY_S)
    world.schedule.done(world.under_way.pop())
    assert len(world.under_way) == MAX_AT_ONCE_PER_GATEWAY, (
        "all of them at once, whatever each was waiting for"
    )
    while world.under_way:
        world.schedule.done(world.under_way.pop())
    assert len(world.schedule) == 0


def test_a_pusher_that_is_gone_is_forgotten_and_may_come_back() -> None:
    world = World()
    world.want("a")
    world.want("a")
    world.schedule.gone(world.take("a"))
    assert world.begun() == ["a"], "it may have been set again"
    world.schedule.gone(world.take("a"))
    assert len(world.schedule) == 0
    world.want("a")
    assert world.begun() == ["a"]


def test_nothing_begins_after_the_end() -> None:
    world = World()
    for name in names(30):
        world.want(name)
    turn = world.take("p0")
    world.schedule.failed(world.take("p1"))
    world.schedule.stop()
    before = len(world.under_way)
    world.schedule.done(turn)
    world.pass_time(10 * MAX_PUSHER_DELAY_S)
    assert len(world.under_way) == before


steps = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.integers(0, 60), st.integers(0, 3), st.booleans()),
        st.tuples(st.sampled_from(["done", "more", "gone", "failed"]), st.integers(0, 200)),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0, 400.0])),
    ),
    max_size=120,
)


@given(steps)
def test_whatever_happens_limits_hold_and_everybody_has_a_turn_in_the_end(
    taken: list[tuple[object, ...]],
) -> None:
    world = World()
    for kind, *values in taken:
        if kind == "want":
            number, gateway, badge = values
            world.want(f"{number}-{gateway}", f"g{gateway}", badge=bool(badge))
        elif kind == "wait":
            world.pass_time(float(str(values[0])))
        elif world.under_way:
            turn = world.under_way.pop(int(str(values[0])) % len(world.under_way))
            turn.badge_due = False
            getattr(world.schedule, str(kind))(turn)
        assert len(world.under_way) <= MAX_AT_ONCE
        assert len({turn.pusher for turn in world.under_way}) == len(world.under_way)
        for gateway in {turn.gateway for turn in world.under_way}:
            running = sum(turn.gateway is gateway for turn in world.under_way)
            assert running == gateway.running <= MAX_AT_ONCE_PER_GATEWAY
    for _ in range(2_000):
        if not len(world.schedule):
            break
        if world.under_way:
            turn = world.under_way.pop()
            turn.badge_due = turn.again = False
            world.schedule.done(turn)
        else:
            world.pass_time(MAX_PUSHER_DELAY_S)
    assert (len(world.schedule), world.under_way) == (0, [])
