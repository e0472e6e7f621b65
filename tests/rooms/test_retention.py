"""How long messages live."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.rooms.retention import Limits

DAY = 86_400_000


@pytest.mark.parametrize(
    ("limits", "policy", "lifetime"),
    [
        (Limits(DAY, 0), None, None),
        (Limits(DAY, 0), {}, None),
        (Limits(DAY, 0), {"min_lifetime": 5}, None),
        (Limits(DAY, 0), {"max_lifetime": 3 * DAY}, 3 * DAY),
        (Limits(DAY, 0), {"max_lifetime": 1}, DAY),
        (Limits(DAY, 2 * DAY), {"max_lifetime": 3 * DAY}, 2 * DAY),
        (Limits(DAY, 2 * DAY), {"max_lifetime": 1}, DAY),
        (Limits(DAY, 2 * DAY), None, 2 * DAY),
        (Limits(DAY, 0), {"max_lifetime": "1"}, None),
        (Limits(DAY, 0), {"max_lifetime": True}, None),
        (Limits(DAY, 0), {"max_lifetime": 0}, None),
        (Limits(DAY, 0), {"max_lifetime": -5}, None),
        (Limits(DAY, 0), {"max_lifetime": None}, None),
    ],
)
def test_a_rooms_rule_holds_within_what_the_operator_allows(
    limits: Limits, policy: Any, lifetime: int | None
) -> None:
    assert limits.lifetime_ms(policy) == lifetime
