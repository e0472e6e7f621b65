"""The machine's clock and entropy, and the ones that tests use in their place."""

from __future__ import annotations

import re
import time

import pytest

from hamrasan.runtime.clock import Clock, SystemClock
from hamrasan.runtime.entropy import Entropy, SystemEntropy
from tests.worlds import ManualClock, SeededEntropy

ENTROPIES: list[Entropy] = [SystemEntropy(), SeededEntropy()]


def test_the_system_clock_tells_the_time_of_day_in_milliseconds() -> None:
    before = int(time.time() * 1000)
    now = SystemClock().now_ms()
    assert before <= now <= int(time.time() * 1000)


def test_the_system_clock_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()


def test_a_manual_clock_moves_both_scales_and_only_when_told() -> None:
    clock = ManualClock(1_000)
    seen: Clock = clock
    assert (seen.now_ms(), seen.monotonic()) == (1_000, 0.0)
    clock.advance(1.5)
    assert (seen.now_ms(), seen.monotonic()) == (2_500, 1.5)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


@pytest.mark.parametrize("entropy", ENTROPIES)
def test_values_have_the_length_and_the_letters_that_are_promised(entropy: Entropy) -> None:
    assert len(entropy.bytes(32)) == 32
    assert re.fullmatch(r"[A-Za-z]{18}", entropy.id(18))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", entropy.token(32))


@pytest.mark.parametrize("entropy", ENTROPIES)
def test_values_differ(entropy: Entropy) -> None:
    assert len({entropy.token(16) for _ in range(100)}) == 100
    assert len({entropy.id(18) for _ in range(100)}) == 100


def test_the_same_seed_gives_the_same_values() -> None:
    assert SeededEntropy(7).token(16) == SeededEntropy(7).token(16) != SeededEntropy(8).token(16)
