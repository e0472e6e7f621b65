"""Token buckets: bursts, lasting rates, bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.http import rate_limit
from hamrasan.http.rate_limit import ADDRESS_RATES, USER_RATES, Rate, RateLimiter, network_of
from hamrasan.http.route import RateClass
from hamrasan.protocol.errors import MatrixError
from tests.worlds import ManualClock

MESSAGES = RateClass.MESSAGES


def _limiter(clock: ManualClock, rate: Rate, enabled: bool = True) -> RateLimiter:
    return RateLimiter(
        clock.monotonic,
        users={**USER_RATES, MESSAGES: rate},
        addresses={**ADDRESS_RATES, MESSAGES: rate},
        enabled=enabled,
    )


def _passes(limiter: RateLimiter, key: str = "@a:b") -> bool:
    try:
        limiter.charge_user(MESSAGES, key)
    except MatrixError:
        return False
    return True


def test_a_burst_passes_and_then_the_lasting_rate_holds() -> None:
    clock = ManualClock()
    limiter = _limiter(clock, Rate(2, 5))
    assert [_passes(limiter) for _ in range(7)] == [True] * 5 + [False] * 2
    clock.advance(0.5)
    assert [_passes(limiter) for _ in range(2)] == [True, False]
    clock.advance(100)
    assert [_passes(limiter) for _ in range(7)] == [True] * 5 + [False] * 2


def test_one_user_does_not_use_up_what_is_anothers() -> None:
    limiter = _limiter(ManualClock(), Rate(1, 1))
    assert _passes(limiter, "@a:b")
    assert not _passes(limiter, "@a:b")
    assert _passes(limiter, "@c:b")


def test_waiting_as_long_as_told_is_enough_and_less_is_not() -> None:
    clock = ManualClock()
    limiter = _limiter(clock, Rate(0.25, 3))
    while _passes(limiter):
        pass
    with pytest.raises(MatrixError) as refused:
        limiter.charge_user(MESSAGES, "@a:b")
    assert (refused.value.status, refused.value.errcode) == (429, "M_LIMIT_EXCEEDED")
    wait = refused.value.extra["retry_after_ms"] / 1000
    clock.advance(wait - 0.1)
    assert not _passes(limiter)
    clock.advance(0.1)
    assert _passes(limiter)


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=200), st.integers(1, 10), st.integers(1, 20))
def test_never_more_than_burst_and_rate_allow(pauses_ms: list[int], rate: int, burst: int) -> None:
    clock = ManualClock()
    limiter = _limiter(clock, Rate(rate, burst))
    passed, start = 0, clock.monotonic()
    for pause in pauses_ms:
        clock.advance(pause / 1000)
        passed += _passes(limiter)
        assert passed <= burst + rate * (clock.monotonic() - start) + 1e-6


def test_can_be_switched_off_and_given_other_rates() -> None:
    limiter = _limiter(ManualClock(), Rate(1, 1), enabled=False)
    assert all(_passes(limiter) for _ in range(100))
    assert not limiter.limits(MESSAGES)
    limiter.enabled = True
    assert limiter.limits(MESSAGES)
    assert [_passes(limiter) for _ in range(2)] == [True, False]
    limiter.set_rates({MESSAGES: Rate(100, 50)}, {})
    assert _passes(limiter)


def test_nothing_is_charged_without_a_class() -> None:
    limiter = RateLimiter(ManualClock().monotonic)
    for _ in range(10_000):
        limiter.charge_user(RateClass.NONE, "@a:b")
        limiter.charge_address(RateClass.NONE, "192.0.2.1")


def test_addresses_of_one_network_share_a_bucket() -> None:
    limiter = _limiter(ManualClock(), Rate(1, 1))
    limiter.charge_address(MESSAGES, "2001:db8::1")
    with pytest.raises(MatrixError):
        limiter.charge_address(MESSAGES, "2001:db8::2")
    limiter.charge_address(MESSAGES, "2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("not:an:address") == "not:an:address"


def test_wrong_tokens_count_against_their_address() -> None:
    clock = ManualClock()
    limiter = RateLimiter(clock.monotonic, failures=Rate(1, 3))
    had_failures = limiter.has_failures
    for _ in range(3):
        limiter.check_failures("192.0.2.1")
        limiter.count_failure("192.0.2.1")
    assert (had_failures, limiter.has_failures) == (False, True)
    with pytest.raises(MatrixError):
        limiter.check_failures("192.0.2.1")
    limiter.check_failures("192.0.2.2")
    clock.advance(1)
    limiter.check_failures("192.0.2.1")


def test_memory_is_bounded_and_what_is_in_use_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_KEYS", 100)
    limiter = _limiter(ManualClock(), Rate(1, 1))
    assert _passes(limiter, "busy")
    for n in range(1000):
        assert _passes(limiter, f"@user{n}:b")
        assert len(limiter._users[MESSAGES]) <= 202
        if n < 100:
            assert not _passes(limiter, "busy")


def test_refusals_are_counted() -> None:
    limited: list[str] = []
    limiter = RateLimiter(
        ManualClock().monotonic, users={**USER_RATES, MESSAGES: Rate(1, 1)}, on_limited=limited.append
    )
    assert [_passes(limiter) for _ in range(3)] == [True, False, False]
    assert limited == ["messages", "messages"]


def test_every_class_has_rates() -> None:
    assert set(USER_RATES) == set(ADDRESS_RATES) == set(RateClass)
