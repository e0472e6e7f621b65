"""State resolution 2 and 2.1 written down as the specification words it, slow and plain, to compare with.

It shares only `check_auth` and `PowerLevels` with the product. As there, a state's own events belong to its auth chain,
and the auth chains of power events are followed inside the full conflicted set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from hamrasan.protocol.auth_rules import MapAuthState, NotAllowed, PowerLevels, check_auth, deciding_types
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.room_versions import RoomVersion, StateResolution

CREATE: StateKey = ("m.room.create", "")
LEVELS: StateKey = ("m.room.power_levels", "")
State = dict[StateKey, Event]


class NaiveResolution:
    """One resolution; `result` is its answer."""

    def __init__(
        self,
        version: RoomVersion,
        states: Sequence[Mapping[StateKey, str]],
        events: Mapping[str, Event],
        rejected: Collection[str] = (),
    ) -> None:
        self.version, self.states, self.events, self.rejected = version, states, events, rejected
        self.is_2_1 = version.state_resolution is StateResolution.V2_1
        keys = {key for state in states for key in state}
        self.unconflicted = {
            key: states[0][key] for key in keys if len({state.get(key) for state in states}) == 1
        }
        self.conflicted = {i for state in states for key, i in state.items() if key not in self.unconflicted}
        self.full = self.conflicted | self.auth_difference()
        if self.is_2_1:
            self.full |= self.subgraph()

    def result(self) -> dict[StateKey, str]:
        if not self.conflicted:
            return self.unconflicted
        state = {} if self.is_2_1 else {key: self.events[i] for key, i in self.unconflicted.items()}
        powerful = self.power_events()
        state = self.checked(self.by_power(powerful), state)
        state = self.checked(self.by_mainline(self.full - powerful, state.get(LEVELS)), state)
        return {key: event.event_id for key, event in state.items()} | self.unconflicted

    def chain(self, ids: Iterable[str]) -> set[str]:
        found = set(ids)
        while True:
            more = {i for event_id in found for i in self.events[event_id].auth_events} - found
            if not more:
                return found
            found |= more

    def auth_difference(self) -> set[str]:
        chains = [self.chain(state.values()) for state in self.states]
        return {i for chain in chains for i in chain if not all(i in other for other in chains)}

    def subgraph(self) -> set[str]:
        """The events that a conflicted event leads to and that lead to a conflicted event."""
        ahead = self.chain(self.conflicted)
        return {event_id for event_id in ahead if self.chain([event_id]) & self.conflicted}

    def power_events(self) -> set[str]:
        found = {event_id for event_id in self.full if self.is_power_event(self.events[event_id])}
        while True:
            more = ({i for event_id in found for i in self.events[event_id].auth_events} & self.full) - found
            if not more:
                return found
            found |= more

    @staticmethod
    def is_power_event(event: Event) -> bool:
        if event.type in ("m.room.power_levels", "m.room.join_rules") and event.state_key == "":
            return True
        removed = event.content.get("membership") in ("leave", "ban")
        return event.type == "m.room.member" and removed and event.sender != event.state_key

    def cited(self, event: Event) -> State:
        found = {self.events[i].key: self.events[i] for i in event.auth_events}
        if self.version.authorization.room_id_is_create_hash:
            found[CREATE] = self.events["$" + event.room_id[1:]]
        return {key: auth_event for key, auth_event in found.items() if key is not None}

    def by_power(self, ids: set[str]) -> list[str]:
        def order(event_id: str) -> tuple[float, int, str]:
            event = self.events[event_id]
            cited = self.cited(event)
            content = cited[LEVELS].content if LEVELS in cited else None
            level = PowerLevels(cited.get(CREATE), content, self.version).of(event.sender)
            return (-level, event.origin_server_ts, event_id)

        placed: list[str] = []
        while len(placed) < len(ids):
            waiting = ids - set(placed)
            free = [i for i in waiting if not waiting & set(self.events[i].auth_events)]
            placed.append(min(free, key=order))
        return placed

    def levels_behind(self, event: Event) -> list[str]:
        """The power levels events that `event` builds on, the nearest first."""
        behind: list[str] = []
        while (above := self.cited(event).get(LEVELS)) is not None:
            behind.append(above.event_id)
            event = above
        return behind

    def by_mainline(self, ids: set[str], newest: Event | None) -> list[str]:
        mainline = [] if newest is None else [newest.event_id, *self.levels_behind(newest)]

        def order(event_id: str) -> tuple[float, int, str]:
            event = self.events[event_id]
            met = [mainline.index(i) for i in self.levels_behind(event) if i in mainline]
            return (-(met[0] if met else float("inf")), event.origin_server_ts, event_id)

        return sorted(ids, key=order)

    def checked(self, ids: Iterable[str], before: State) -> State:
        state = dict(before)
        for event_id in ids:
            event = self.events[event_id]
            seen = {
                key: cited for key, cited in self.cited(event).items() if cited.event_id not in self.rejected
            }
            needed = deciding_types(event.type, event.sender, event.state_key, event.content, self.version)
            seen.update({key: state[key] for key in needed if key in state})
            try:
                check_auth(event, MapAuthState(self.version, seen), self.version, authorised_signed=True)
            except NotAllowed:
                continue
            assert event.key is not None
            state[event.key] = event
        return state
