"""One state out of several (server-server API, "Room State Resolution"; each room version's "State resolution").

resolve(version, state_sets, events, *, rejected=frozenset(), unconflicted_chain=None) -> dict[StateKey, str]
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.room_versions import RoomVersion, StateResolution
from hamrasan.protocol.state_resolution.conflicts import StateMap, distinct_states
from hamrasan.protocol.state_resolution.room import RoomEvents
from hamrasan.protocol.state_resolution.v1 import resolve_v1
from hamrasan.protocol.state_resolution.v2 import resolve_v2


def resolve(
    version: RoomVersion,
    state_sets: Sequence[StateMap],
    events: Mapping[str, Event],
    *,
    rejected: Collection[str] = frozenset(),
    unconflicted_chain: Collection[str] | None = None,
) -> dict[StateKey, str]:
    """Return the state in which branches of a room with these states come together.

    `events` holds, by id: the conflicted events with their auth chains; the create event; the unconflicted state events
    that `deciding_types` of the conflicted events names; and, unless `unconflicted_chain` is given, all events of the
    states with their auth chains. `rejected` are the ids of events that were rejected when they came in: what they are
    cited for does not count. They must not include events in the states that failed by their own auth events.

    `unconflicted_chain` is the auth chain of the unconflicted state, where the caller has it at hand (as anything that
    answers `in` and iterates), so that a room of 100,000 members need not load them to resolve two topics.

    Raises `MissingEventError` for an event that is not given; nothing is guessed. The order and repetition of the
    states make no difference. It takes time in proportion to the conflicted events and the auth chains walked.
    """
    distinct = distinct_states(state_sets)
    if len(distinct) <= 1:
        return dict(distinct[0]) if distinct else {}
    room = RoomEvents(version, events, rejected)
    if version.state_resolution is StateResolution.V1:
        return resolve_v1(distinct, room)
    return resolve_v2(distinct, room, unconflicted_chain)
