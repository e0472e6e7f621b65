"""How often somebody may try a password."""

from __future__ import annotations

import pytest

from hamrasan.accounts import throttle
from hamrasan.accounts.throttle import (
    FROM_ADDRESS,
    TO_ACCOUNT,
    TO_ACCOUNT_FROM_ADDRESS,
    Buckets,
    LoginThrottle,
    Rate,
    network_of,
)
from hamrasan.protocol.errors import MatrixError
from tests.worlds import ManualClock

ALICE = "@alice:example.org"


def refused(limiter: LoginThrottle, account: str, address: str) -> int | None:
    """Try, and return the wait in milliseconds if that is refused."""
    try:
        limiter.begin(account, address)
    except MatrixError as error:
        if error.errcode == "M_LIMIT_EXCEEDED":
            return int(error.extra["retry_after_ms"])
        raise
    return None


def test_a_bucket_takes_a_burst_and_then_one_at_a_time() -> None:
    clock = ManualClock()
    buckets = Buckets(clock, Rate(burst=3, interval_s=10))
    for _ in range(3):
        assert buckets.wait_ms("a") == 0
        buckets.take("a")
    assert buckets.wait_ms("a") == 10_000
    assert buckets.wait_ms("b") == 0
    clock.advance(9.5)
    assert buckets.wait_ms("a") == 500
    clock.advance(0.5)
    assert buckets.wait_ms("a") == 0
    buckets.take("a")
    assert buckets.wait_ms("a") == 10_000


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = ManualClock()
    buckets = Buckets(clock, Rate(burst=2, interval_s=1))
    buckets.take("a")
    clock.advance(1_000)
    buckets.take("a")
    buckets.take("a")
    assert buckets.wait_ms("a") == 1_000


def test_old_buckets_are_forgotten_before_busy_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MAX_KEYS", 10)
    clock = ManualClock()
    buckets = Buckets(clock, Rate(burst=1, interval_s=100))
    for number in range(10):
        buckets.take(number)
        clock.advance(1)
    buckets.take("new")
    assert buckets.wait_ms("new") > 0
    assert buckets.wait_ms(9) > 0
    assert buckets.wait_ms(0) == 0


def test_failures_at_an_account_are_limited_for_each_address() -> None:
    limiter = LoginThrottle(ManualClock())
    for _ in range(TO_ACCOUNT_FROM_ADDRESS.burst):
        assert refused(limiter, ALICE, "192.0.2.1") is None
    assert refused(limiter, ALICE, "192.0.2.1") == TO_ACCOUNT_FROM_ADDRESS.interval_s * 1000
    assert refused(limiter, ALICE, "192.0.2.2") is None
    assert refused(limiter, "@bob:example.org", "192.0.2.1") is None


def test_who_succeeds_is_not_limited() -> None:
    limiter = LoginThrottle(ManualClock())
    for _ in range(FROM_ADDRESS.burst):
        assert refused(limiter, ALICE, "192.0.2.1") is None
        limiter.succeeded(ALICE, "192.0.2.1")


def test_failures_at_an_account_from_everywhere_are_limited() -> None:
    limiter = LoginThrottle(ManualClock())
    for number in range(TO_ACCOUNT.burst):
        assert refused(limiter, ALICE, f"192.0.2.{number}") is None
    assert refused(limiter, ALICE, "198.51.100.1") is not None
    assert refused(limiter, "@bob:example.org", "198.51.100.1") is None


def test_attempts_of_an_address_are_limited_whatever_the_account() -> None:
    limiter = LoginThrottle(ManualClock())
    for number in range(FROM_ADDRESS.burst):
        assert refused(limiter, f"@user{number}:example.org", "192.0.2.1") is None
    assert refused(limiter, ALICE, "192.0.2.1") is not None
    assert refused(limiter, ALICE, "192.0.2.2") is None


def test_a_refused_attempt_counts_nowhere() -> None:
    clock = ManualClock()
    limiter = LoginThrottle(clock)
    for _ in range(TO_ACCOUNT_FROM_ADDRESS.burst + 50):
        refused(limiter, ALICE, "192.0.2.1")
    clock.advance(TO_ACCOUNT_FROM_ADDRESS.interval_s)
    assert refused(limiter, ALICE, "192.0.2.1") is None


def test_it_can_be_switched_off() -> None:
    limiter = LoginThrottle(ManualClock(), enabled=False)
    for _ in range(FROM_ADDRESS.burst + 1):
        assert refused(limiter, ALICE, "192.0.2.1") is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
    ],
)
def test_an_address_counts_as_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
