"""Hypothesis strategies for whole rooms: users who do all they may, on branches that part and meet."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from hypothesis import strategies as st

from hamrasan.protocol.auth_rules import NotAllowed
from hamrasan.protocol.event import StateKey
from tests.protocol.factory import ALICE, BOB, CAROL, DAN, EVE, World

USERS = (ALICE, BOB, CAROL, DAN, EVE)
BRANCHES = 3
LEVELS = (0, 25, 50, 60, 75)


class Act(NamedTuple):
    """Somebody tries something on a branch; `when` makes timestamps collide and run backwards."""

    branch: int
    who: str
    what: str
    whom: str
    value: int
    when: int


ACTS = st.builds(
    Act,
    branch=st.integers(0, BRANCHES - 1),
    who=st.sampled_from([ALICE, ALICE, BOB, BOB, *USERS[2:]]),
    what=st.sampled_from(
        ["join", "join", "invite", "leave", "kick", "ban", "levels", "levels", "rules", "topic", "meet"]
    ),
    whom=st.sampled_from(USERS),
    value=st.integers(0, len(LEVELS) - 1),
    when=st.integers(0, 6),
)


class History(NamedTuple):
    """A room at its end: any branch as `world`, and states that a resolution may be asked about."""

    world: World
    states: list[dict[StateKey, str]]


@st.composite
def histories(draw: st.DrawFn, versions: tuple[str, ...]) -> History:
    """Return a room with several branches; some of the states are as servers with gaps might hold them."""
    start = World(draw(st.sampled_from(versions)))
    start.sets_join_rule(ALICE, "public")
    start.joins(BOB)
    start.joins(CAROL)
    own = {} if start.version.authorization.privileged_creators else {ALICE: 100}
    start.sets_power_levels(ALICE, {**own, BOB: 75, CAROL: 50}, {"events": {"m.room.power_levels": 50}})
    branches = [start.fork() for _ in range(BRANCHES)]
    for act in draw(st.lists(ACTS, min_size=12, max_size=40)):
        perform(act, branches)
    states = [branch.state for branch in branches]
    for _ in range(draw(st.integers(0, 2))):
        states.append(_mixed(draw, start, states))
    return History(start, states)


def perform(act: Act, branches: list[World]) -> None:
    """Do what `act` says if the rules allow it."""
    room = branches[act.branch]
    if act.what == "meet":
        branches[act.branch] = room.merged(branches[(act.branch + 1) % BRANCHES])
        return
    event_type, content, state_key = _event(act, room)
    with suppress(NotAllowed):
        room.send(act.who, event_type, content, state_key, at=act.when)


def _event(act: Act, room: World) -> tuple[str, dict[str, Any], str]:
    if act.what == "topic":
        return "m.room.topic", {"topic": str(act.value)}, ""
    if act.what == "rules":
        return "m.room.join_rules", {"join_rule": ("public", "invite")[act.value % 2]}, ""
    if act.what == "levels":
        current = room.state.get(("m.room.power_levels", ""))
        content = dict(room.events[current].content) if current else {}
        users = {**content.get("users", {}), act.whom: LEVELS[act.value]}
        return "m.room.power_levels", {**content, "users": users}, ""
    membership = "leave" if act.what == "kick" else act.what
    target = act.who if act.what in ("join", "leave") else act.whom
    return "m.room.member", {"membership": membership, "number": act.value}, target


def _mixed(draw: st.DrawFn, room: World, states: list[dict[StateKey, str]]) -> dict[StateKey, str]:
    """Return a state with an event of any branch, or none, for each key."""
    mixed: dict[StateKey, str] = {}
    for key in sorted({key for state in states for key in state}):
        choices = sorted({state[key] for state in states if key in state})
        chosen = draw(st.sampled_from(choices if key[0] == "m.room.create" else [*choices, ""]))
        if chosen:
            mixed[key] = chosen
    return mixed
