"""Codes that change every half minute."""

from __future__ import annotations

import pytest

from hamrasan.accounts.totp import PERIOD_S, code_at, otpauth_uri, step_of

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_the_examples_of_rfc_6238(seconds: int, code: str) -> None:
    assert code_at(SECRET, seconds // PERIOD_S) == code


def test_codes_of_the_neighbouring_steps_are_taken_but_none_twice() -> None:
    now = 1_000_000
    present = now // 1000 // PERIOD_S
    for step in (present - 1, present, present + 1):
        assert step_of(SECRET, code_at(SECRET, step), now, 0) == step
        assert step_of(SECRET, code_at(SECRET, step), now, step) is None
    for step in (present - 2, present + 2):
        assert step_of(SECRET, code_at(SECRET, step), now, 0) is None


def test_the_address_for_apps() -> None:
    uri = otpauth_uri(SECRET, "@alice:example.org", "example.org")
    assert uri.startswith("otpauth://totp/example.org%3A%40alice%3Aexample.org?secret=GEZDGNBV")
    assert "issuer=example.org" in uri
