"""State resolution of room versions 2 and later (room version 2 and room version 12, "State resolution")."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hamrasan.protocol.auth_rules.needs import JOIN_RULES, POWER_LEVELS
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.room_versions import StateResolution
from hamrasan.protocol.state_resolution.conflicts import StateMap, split_states
from hamrasan.protocol.state_resolution.iterative import apply_allowed
from hamrasan.protocol.state_resolution.orderings import mainline_order, reverse_topological_power_order
from hamrasan.protocol.state_resolution.room import RoomEvents


def resolve_v2(
    state_sets: Sequence[StateMap], room: RoomEvents, unconflicted_chain: Collection[str] | None
) -> dict[StateKey, str]:
    """Return the resolution of the states, by algorithm 2 or, from room version 12, algorithm 2.1.

    Algorithm 2.1 begins with an empty state, so that the unconflicted state, which may be newer than what authorised
    the conflicted events, does not refuse them; and tries again what lies between them.
    """
    unconflicted, conflicted = split_states(state_sets)
    if not conflicted:
        return unconflicted
    conflicted_ids = set[str]().union(*conflicted.values())
    full = conflicted_ids | _auth_difference(
        state_sets, unconflicted, conflicted_ids, room, unconflicted_chain
    )
    is_2_1 = room.version.state_resolution is StateResolution.V2_1
    if is_2_1:
        full |= _conflicted_subgraph(conflicted_ids, room)
    base: StateMap = {} if is_2_1 else unconflicted
    resolved: dict[StateKey, str] = {}
    power_ids = _power_events(full, room)
    apply_allowed(reverse_topological_power_order(power_ids, room), resolved, base, room)
    power_levels_id = resolved.get(POWER_LEVELS) or base.get(POWER_LEVELS)
    apply_allowed(mainline_order(full - power_ids, power_levels_id, room), resolved, base, room)
    return resolved | unconflicted


def _auth_difference(
    state_sets: Sequence[StateMap],
    unconflicted: StateMap,
    conflicted_ids: set[str],
    room: RoomEvents,
    unconflicted_chain: Collection[str] | None,
) -> set[str]:
    """Return the events that are in the auth chain of some states, but not of all.

    Here a state's own events belong to its auth chain. The definition reads as if they did not, but every homeserver
    in use counts them, and servers have to agree. What the unconflicted state leads to is in every chain, so the walk
    ends there.
    """
    unconflicted_ids = set(unconflicted.values())
    if unconflicted_chain is None:
        shared: Collection[str] = room.chain(unconflicted_ids)
    else:
        shared = unconflicted_ids.union(unconflicted_chain)
    chains = [
        room.chain((event_id for event_id in state.values() if event_id in conflicted_ids), without=shared)
        for state in state_sets
    ]
    return set[str]().union(*chains) - chains[0].intersection(*chains[1:])


def _conflicted_subgraph(conflicted_ids: set[str], room: RoomEvents) -> set[str]:
    """Return the events on all paths along auth events from one conflicted event to another, ends included."""
    reachable = room.chain(conflicted_ids)
    citing: dict[str, list[str]] = {}
    for event_id in reachable:
        for auth_id in room.get(event_id, "to find what lies between conflicted events").auth_events:
            citing.setdefault(auth_id, []).append(event_id)
    between = set(conflicted_ids)
    waiting = list(conflicted_ids)
    while waiting:
        for event_id in citing.get(waiting.pop(), ()):
            if event_id not in between:
                between.add(event_id)
                waiting.append(event_id)
    return between


def _power_events(full: set[str], room: RoomEvents) -> set[str]:
    """Return the power events of the full conflicted set, with those of their auth chains that are in the set.

    The chains are followed inside the set only, as every homeserver in use does.
    """
    found = {event_id for event_id in full if _is_power_event(room.get(event_id, "to be resolved"))}
    waiting = list(found)
    while waiting:
        for auth_id in room.get(waiting.pop(), "to be resolved").auth_events:
            if auth_id in full and auth_id not in found:
                found.add(auth_id)
                waiting.append(auth_id)
    return found


def _is_power_event(event: Event) -> bool:
    """Tell whether the event might remove somebody's ability to do something in the room."""
    if event.key in (POWER_LEVELS, JOIN_RULES):
        return True
    return (
        event.type == "m.room.member"
        and event.membership in ("leave", "ban")
        and event.sender != event.state_key
    )
