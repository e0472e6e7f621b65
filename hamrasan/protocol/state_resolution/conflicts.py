"""What several states of a room agree on, and what not (room version 2, "Definitions")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hamrasan.protocol.event import StateKey

StateMap = Mapping[StateKey, str]
"""A state of a room: an event id for each state key."""


def distinct_states(state_sets: Sequence[StateMap]) -> list[StateMap]:
    """Return the states without repetitions; a state says nothing new by coming twice."""
    distinct: list[StateMap] = []
    for state in state_sets:
        if not any(state is known or state == known for known in distinct):
            distinct.append(state)
    return distinct


def split_states(state_sets: Sequence[StateMap]) -> tuple[dict[StateKey, str], dict[StateKey, set[str]]]:
    """Return the unconflicted state map and the conflicted events by key.

    A key is unconflicted if every state has it with the same event. One pass over each state, because a large room
    agrees on nearly everything.
    """
    unconflicted = dict(state_sets[0]) if state_sets else {}
    for state in state_sets[1:]:
        get = state.get
        unconflicted = {key: event_id for key, event_id in unconflicted.items() if get(key) == event_id}
    conflicted: dict[StateKey, set[str]] = {}
    for state in state_sets:
        if len(state) > len(unconflicted):
            for key, event_id in state.items():
                if key not in unconflicted:
                    conflicted.setdefault(key, set()).add(event_id)
    return unconflicted, conflicted
