"""What somebody has approved on the account's page, for a client to do soon ("OAuth authentication", `m.oauth`)."""

from __future__ import annotations

from hamrasan.runtime.clock import Clock

LIFETIME_S = 10 * 60
"""The client asks again at once; the rest is for slow links and people who look for their phone."""
MAX_APPROVALS = 10_000
"""Kept at the same time (1 MB); beyond it the oldest have to be given again."""


class Approvals:
    """Remembers who lets a client replace their cross-signing keys. In memory: one that is lost is given anew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def give(self, user_id: str) -> None:
        """Let the user's clients do it once, within `LIFETIME_S`."""
        self._until.pop(user_id, None)
        while len(self._until) >= MAX_APPROVALS:
            del self._until[next(iter(self._until))]
        self._until[user_id] = self._clock.monotonic() + LIFETIME_S

    def is_given(self, user_id: str) -> bool:
        """Tell whether the user has approved it a moment ago."""
        return self._until.get(user_id, 0.0) > self._clock.monotonic()

    def use_up(self, user_id: str) -> None:
        """Note that it was done."""
        self._until.pop(user_id, None)
