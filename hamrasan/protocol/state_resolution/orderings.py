"""The two orders in which conflicted events are tried (room version 2, "Definitions")."""

from __future__ import annotations

from collections.abc import Collection
from heapq import heapify, heappop, heappush

from hamrasan.protocol.auth_rules.errors import NotAllowed
from hamrasan.protocol.auth_rules.needs import POWER_LEVELS
from hamrasan.protocol.auth_rules.power_levels import Level
from hamrasan.protocol.event import Event
from hamrasan.protocol.state_resolution.room import RoomEvents

_SortKey = tuple[Level, int, str]

_NOT_ON_MAINLINE = float("-inf")
"""Sorts before every position, as the specification's infinite mainline position does."""


def reverse_topological_power_order(event_ids: Collection[str], room: RoomEvents) -> list[str]:
    """Return the events so that each comes after its auth events, and the most powerful senders come first.

    Kahn's algorithm with a heap. Events that cite each other in a circle, which the ids of the first two room versions
    allow, come after nothing and are left out.
    """
    missing: dict[str, int] = {}
    citing: dict[str, list[str]] = {}
    for event_id in event_ids:
        cited = {
            auth_id for auth_id in room.get(event_id, "to be ordered").auth_events if auth_id in event_ids
        }
        missing[event_id] = len(cited)
        for auth_id in cited:
            citing.setdefault(auth_id, []).append(event_id)
    ready = [_power_key(event_id, room) for event_id, count in missing.items() if count == 0]
    heapify(ready)
    ordered: list[str] = []
    while ready:
        event_id = heappop(ready)[2]
        ordered.append(event_id)
        for later in citing.get(event_id, ()):
            missing[later] -= 1
            if missing[later] == 0:
                heappush(ready, _power_key(later, room))
    return ordered


def _power_key(event_id: str, room: RoomEvents) -> _SortKey:
    """Return what an event is compared by: higher power level, then earlier time, then smaller id."""
    event = room.get(event_id, "to be ordered")
    try:
        level = room.power_levels_before(event).of(event.sender)
    except NotAllowed:  # the level cannot be read (before version 10), so the sender has none
        level = 0
    return (-level, event.origin_server_ts, event_id)


def mainline_order(event_ids: Collection[str], power_levels_id: str | None, room: RoomEvents) -> list[str]:
    """Return the events in the mainline ordering based on the power levels event `power_levels_id`."""
    positions = _mainline_positions(power_levels_id, room)
    keys: list[_SortKey] = []
    for event_id in event_ids:
        event = room.get(event_id, "to be ordered")
        keys.append((_position(event, positions, room), event.origin_server_ts, event_id))
    return [event_id for _, _, event_id in sorted(keys)]


def _mainline_positions(power_levels_id: str | None, room: RoomEvents) -> dict[str, Level]:
    """Return the mainline: 0 for the newest power levels event, -1 for the one it cites, and so on."""
    positions: dict[str, Level] = {}
    while power_levels_id is not None and power_levels_id not in positions:
        positions[power_levels_id] = -len(positions)
        cited = room.cited(room.get(power_levels_id, "as part of the mainline"), POWER_LEVELS)
        power_levels_id = None if cited is None else cited.event_id
    return positions


def _position(event: Event, positions: dict[str, Level], room: RoomEvents) -> Level:
    """Return where the power levels that `event` cites meet the mainline.

    What is found is noted in `positions` for every power levels event passed on the way, so that many events on a
    long side branch cost no more than its length.
    """
    passed: list[str] = []
    cited = room.cited(event, POWER_LEVELS)
    while cited is not None and cited.event_id not in positions:
        positions[cited.event_id] = _NOT_ON_MAINLINE  # ends a walk in a circle, too
        passed.append(cited.event_id)
        cited = room.cited(cited, POWER_LEVELS)
    position = _NOT_ON_MAINLINE if cited is None else positions[cited.event_id]
    positions.update(dict.fromkeys(passed, position))
    return position
