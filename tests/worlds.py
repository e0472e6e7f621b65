"""Time and chance that a test decides: they stand in for `hamrasan.runtime.clock` and `.entropy`, nothing else does."""

from __future__ import annotations

import base64
import builtins
import random
import string


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._start_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return (self._now_ms - self._start_ms) / 1000

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._now_ms += round(seconds * 1000)


class SeededEntropy:
    """Chance that comes out the same in every run with the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def bytes(self, n: int) -> builtins.bytes:
        return self._random.randbytes(n)

    def token(self, n_bytes: int) -> str:
        return base64.urlsafe_b64encode(self.bytes(n_bytes)).rstrip(b"=").decode("ascii")

    def id(self, n: int) -> str:
        return "".join(self._random.choices(string.ascii_letters, k=n))
