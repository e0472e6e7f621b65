"""State resolution of room version 1 (room version 1, "State resolution").

Where the specification is silent, this does what the first homeserver did, because servers have to agree: conflicting
events of one type are resolved key by key, none of them seeing the results for the others; and a key for which no
event passes keeps the one that was tried last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha1

from hamrasan.protocol.auth_rules.check import check_auth
from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.state_resolution.conflicts import StateMap
from hamrasan.protocol.state_resolution.iterative import StateSoFar
from hamrasan.protocol.state_resolution.room import RoomEvents

_RESOLVED_FIRST = ("m.room.power_levels", "m.room.join_rules", "m.room.member")
"""The types that the authorization of later ones depends on, in the order in which they are resolved."""


def resolve_v1(state_sets: Sequence[StateMap], room: RoomEvents) -> dict[StateKey, str]:
    """Return the resolution of the states.

    Unlike in later versions a key that only some states have is not in conflict.
    """
    candidates: dict[StateKey, set[str]] = {}
    for state in state_sets:
        for key, event_id in state.items():
            candidates.setdefault(key, set()).add(event_id)
    resolved = {key: next(iter(ids)) for key, ids in candidates.items() if len(ids) == 1}
    conflicts = {
        key: [room.get(event_id, "to be resolved") for event_id in ids]
        for key, ids in candidates.items()
        if len(ids) > 1
    }
    for event_type in _RESOLVED_FIRST:
        chosen = {
            key: _last_allowed(conflicts[key], resolved, room) for key in conflicts if key[0] == event_type
        }
        resolved.update(chosen)
    rest = {key: _first_allowed(conflicts[key], resolved, room) for key in conflicts if key not in resolved}
    return resolved | rest


def _last_allowed(events: Iterable[Event], resolved: StateMap, room: RoomEvents) -> str:
    """Return the last of a series of events, from the lowest depth up, each allowed with the one before it in place."""
    first, *others = sorted(events, key=_newest_first, reverse=True)
    latest = first
    for event in others:
        if not _is_allowed(event, resolved, room, latest):
            break
        latest = event
    return latest.event_id


def _first_allowed(events: Iterable[Event], resolved: StateMap, room: RoomEvents) -> str:
    """Return the first event, from the highest depth down, that the resolved state allows; else the last."""
    ordered = sorted(events, key=_newest_first)
    for event in ordered:
        if _is_allowed(event, resolved, room):
            return event.event_id
    return ordered[-1].event_id


def _newest_first(event: Event) -> tuple[int, str]:
    """Return the key that sorts by descending depth, then by ascending SHA-1 of the id."""
    return (-event.depth, sha1(event.event_id.encode(), usedforsecurity=False).hexdigest())


def _is_allowed(event: Event, resolved: StateMap, room: RoomEvents, latest: Event | None = None) -> bool:
    """Tell whether the rules allow the event in the resolved state, with `latest` in the place of its key."""
    replaced = {} if latest is None or latest.key is None else {latest.key: latest.event_id}
    try:
        check_auth(event, StateSoFar(replaced, resolved, room, None), room.version, authorised_signed=True)
    except NotAllowed:
        return False
    return True
