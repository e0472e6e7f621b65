"""History visibility: the rule, changes of visibility and membership, and the timeline of one reader."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.visibility import (
    VisibilityTimeline,
    can_see_change,
    can_see_event,
    can_server_see_event,
    parse_visibility,
)

VISIBILITIES = ["world_readable", "shared", "invited", "joined"]
MEMBERSHIPS = ["join", "invite", "leave", "ban", "knock"]


@pytest.mark.parametrize(
    ("content", "visibility"),
    [
        (None, "shared"),
        ({}, "shared"),
        ({"history_visibility": "joined"}, "joined"),
        ({"history_visibility": "nobody"}, "shared"),
        ({"history_visibility": ["joined"]}, "shared"),
    ],
)
def test_parse(content: dict[str, Any] | None, visibility: str) -> None:
    assert parse_visibility(content) == visibility


@pytest.mark.parametrize(
    ("visibility", "membership", "joined_later", "visible"),
    [
        ("world_readable", None, False, True),
        ("world_readable", "ban", False, True),
        ("shared", "join", False, True),
        ("shared", "leave", True, True),
        ("shared", None, True, True),
        ("shared", "leave", False, False),
        ("shared", "invite", False, False),
        ("invited", "join", False, True),
        ("invited", "invite", False, True),
        ("invited", "leave", True, False),
        ("invited", "knock", True, False),
        ("joined", "join", False, True),
        ("joined", "invite", True, False),
        ("joined", None, True, False),
    ],
)
def test_the_rule(visibility: str, membership: str | None, joined_later: bool, visible: bool) -> None:
    assert can_see_event(visibility, membership, joined_later) is visible


def test_a_change_is_seen_by_those_who_see_before_or_after_it() -> None:
    assert can_see_change(("world_readable", "joined"), (None,), False)
    assert can_see_change(("joined", "world_readable"), (None,), False)
    assert not can_see_change(("joined", "invited"), (None,), False)
    assert can_see_change(("joined",), ("leave", "join"), False)
    assert can_see_change(("joined",), ("join", "ban"), False)
    assert not can_see_change(("joined",), ("invite", "leave"), False)


@pytest.mark.parametrize(
    ("visibility", "memberships", "visible"),
    [
        ("world_readable", [], True),
        ("shared", ["leave"], True),
        ("invited", ["leave", "invite"], True),
        ("invited", ["leave", None], False),
        ("joined", ["invite", "join"], True),
        ("joined", ["invite"], False),
    ],
)
def test_servers(visibility: str, memberships: list[str | None], visible: bool) -> None:
    assert can_server_see_event(visibility, memberships) is visible


def seen(timeline: VisibilityTimeline, last: int) -> str:
    """One character per position: what can be seen."""
    return "".join("+" if timeline.can_see(position) else "-" for position in range(last + 1))


@pytest.mark.parametrize(
    ("visibilities", "memberships", "expected"),
    [
        # Shared by default: all until the reader leaves, the leaving included.
        ([], [(3, "join"), (6, "leave")], "+++++++--"),
        # Coming back opens what was said in between.
        ([], [(1, "join"), (3, "leave"), (6, "join")], "+++++++++"),
        ([(0, "joined")], [(1, "join"), (3, "leave"), (6, "join")], "++++--+++"),
        ([(0, "invited")], [(2, "invite"), (4, "join"), (6, "ban")], "+-+++++--"),
        ([(0, "invited")], [(2, "invite"), (4, "leave")], "--+++----"),
        # Only what was said while it was open to the world.
        ([(0, "joined"), (3, "world_readable"), (6, "joined")], [], "---++++--"),
        # What was said under a stricter setting stays hidden.
        ([(0, "joined"), (4, "shared")], [(6, "join")], "+---+++++"),
        ([], [(2, "invite"), (4, "leave")], "---------"),
        ([], [], "---------"),
    ],
)
def test_timeline(
    visibilities: list[tuple[int, str]], memberships: list[tuple[int, str]], expected: str
) -> None:
    timeline = VisibilityTimeline(visibilities, memberships)
    assert seen(timeline, 8) == expected
    assert timeline.sees_nothing is ("+" not in expected)


HISTORIES = st.lists(
    st.none()
    | st.tuples(st.just("v"), st.sampled_from(VISIBILITIES))
    | st.tuples(st.just("m"), st.sampled_from(MEMBERSHIPS)),
    max_size=12,
)


@given(HISTORIES, st.integers(0, 12), st.integers(0, 12))
def test_the_timeline_agrees_with_the_rule_at_each_event(
    history: list[tuple[str, str] | None], first: int, last: int
) -> None:
    visibilities = [(at, change[1]) for at, change in enumerate(history) if change and change[0] == "v"]
    memberships = [(at, change[1]) for at, change in enumerate(history) if change and change[0] == "m"]
    timeline = VisibilityTimeline(visibilities, memberships)
    visibility, membership = "shared", None
    expected: list[bool] = []
    for at, change in enumerate(history):
        before = (visibility, membership)
        if change is not None:
            visibility, membership = (change[1], membership) if change[0] == "v" else (visibility, change[1])
        later = ("m", "join") in history[at + 1 :]
        expected.append(any(can_see_event(v, m, later) for v, m in (before, (visibility, membership))))
    assert [timeline.can_see(at) for at in range(len(history))] == expected
    if first <= last < len(history):
        assert timeline.can_see_all(first, last) is all(expected[first : last + 1])
    ranges = timeline.visible_ranges(first, last)
    listed = [position for low, high in ranges for position in range(low + 1, high + 1)]
    assert [at for at in listed if at < len(history)] == [
        at for at in range(first + 1, min(last, len(history) - 1) + 1) if expected[at]
    ]
    assert all(low < high for low, high in ranges)
    assert all(before[1] < after[0] for before, after in pairwise(ranges)), "ranges that touch are one"


def test_ranges_of_who_came_left_and_came_back() -> None:
    timeline = VisibilityTimeline([(0, "joined")], [(3, "join"), (6, "leave"), (9, "join")])
    assert timeline.visible_ranges(0, 100) == [(2, 6), (8, 100)]
    assert timeline.visible_ranges(4, 5) == [(4, 5)]
    assert timeline.visible_ranges(6, 8) == []
    assert timeline.visible_ranges(5, 5) == []
    assert VisibilityTimeline([], []).visible_ranges(0, 100) == []
    assert VisibilityTimeline([(0, "world_readable")], []).visible_ranges(0, 100) == [(0, 100)]
