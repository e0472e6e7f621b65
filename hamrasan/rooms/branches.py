"""The states of a room's branches, each as a difference to the room's state at one position (the base).

A room of 100,000 members has as many entries of state, but branches of it differ in a few. So nothing here ever holds
a whole state: what is not in a difference is what the room has at the base.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from hamrasan.protocol.auth_rules import PowerLevels, join_rule_of
from hamrasan.protocol.auth_rules.needs import CREATE, JOIN_RULES, POWER_LEVELS
from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.event import Event, StateKey
from hamrasan.rooms.room import Room
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.slices import give_way
from hamrasan.storage.ports.federated_rooms import BranchRow, BranchState, FederatedRoomReader
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import OUTSIDE, EventReader, StateReader

Delta = Mapping[StateKey, str | None]
"""A state as a difference to that at the base: the event id under each key that differs, None for no event."""

KEYS_AT_ONCE = 100
"""State keys looked up in one go: about a millisecond."""

RECENT_STATES = 256
"""States of branches kept in memory; each is as large as what the branches differ in."""

BEFORE = "before "
"""Stands before the id of an event whose state *before* it is kept, since what it follows was not known."""


def branch_state(event_id: str, room: int, base: Position, delta: Delta) -> BranchState:
    """Return the row that keeps a state."""
    entries = [[type_, state_key, changed] for (type_, state_key), changed in delta.items()]
    return BranchState(event_id, room, base, encode_json(entries))


class Branches:
    """Reads the states after events."""

    def __init__(self, events: EventReader, state: StateReader, federated: FederatedRoomReader) -> None:
        self._events = events
        self._state = state
        self._federated = federated
        self._recent: BoundedCache[str, BranchRow] = BoundedCache(RECENT_STATES)
        """The states of events that were asked for before, by a later base than the one that is stored."""

    async def after(self, room: Room, event_ids: Collection[str]) -> dict[str, BranchRow]:
        """Return the states after events; those are missing of which the state is not known.

        An event without a row of its own has the state that the room had at its position: but not one that came
        along with others (`OUTSIDE`), or from before this server was in the room.
        """
        found = {each: row for each in event_ids if (row := self._recent.get(each)) is not None}
        found |= await self._federated.branches([each for each in event_ids if each not in found])
        for stored in await self._events.by_ids([each for each in event_ids if each not in found]):
            if stored.room == room.number and stored.position > 0 and stored.flags < OUTSIDE:
                found[stored.event_id] = BranchRow(stored.position, {})
        return found

    def forget(self, event_id: str) -> None:
        """Take note that an event has come of which the state was only told before."""
        self._recent.drop(event_id)

    async def ids_at(self, room: int, position: Position, keys: Collection[StateKey]) -> dict[StateKey, str]:
        """Return the ids of the state events under some keys as they were at a position."""
        found: dict[StateKey, str] = {}
        wanted = list(keys)
        for start in range(0, len(wanted), KEYS_AT_ONCE):
            if start:
                await give_way()
            for stored in await self._state.at(room, position, wanted[start : start + KEYS_AT_ONCE]):
                found[stored.type, stored.state_key or ""] = stored.event_id
        return found

    async def ids_at_base(
        self, room: Room, base: Position, keys: Collection[StateKey]
    ) -> dict[StateKey, str]:
        """Return what `ids_at` does, from memory if the room's state has not changed since `base`.

        The caller makes sure that it does not change meanwhile, or drops what comes of it.
        """
        if room.state_head > base:
            return await self.ids_at(room.number, base, keys)
        return {key: event_id for key in keys if (event_id := room.state_event_id(key)) is not None}

    async def differences(self, room: Room, branches: Mapping[str, BranchRow], base: Position) -> list[Delta]:
        """Return the states after events as differences to that at `base`."""
        deltas: list[Delta] = []
        for event_id, branch in branches.items():
            delta = await self.difference(room, branch, base)
            if delta or branch.delta:
                self._recent.put(event_id, BranchRow(base, delta))
            deltas.append(delta)
        return deltas

    async def difference(self, room: Room, branch: BranchRow, base: Position) -> dict[StateKey, str | None]:
        """Return the state of a branch as a difference to that at `base`."""
        keys = dict.fromkeys(branch.delta)
        if branch.position < base:
            keys.update(dict.fromkeys(await self._federated.changed_keys(room.number, branch.position, base)))
        if not keys:
            return {}
        rest = [key for key in keys if key not in branch.delta]
        then = await self.ids_at(room.number, branch.position, rest) if rest else {}
        now = await self.ids_at_base(room, base, keys)
        values = {key: branch.delta[key] if key in branch.delta else then.get(key) for key in keys}
        return {key: value for key, value in values.items() if value != now.get(key)}


class BranchView:
    """The state of a branch as the authorization rules read it: a difference on top of the room as it is now."""

    def __init__(self, room: Room, delta: Delta, events: Mapping[str, Event]) -> None:
        """`events` holds those of the difference that the rules will ask for."""
        self._room = room
        self._delta = delta
        self._events = events

    def _find(self, key: StateKey) -> Event | None:
        if key in self._delta:
            changed = self._delta[key]
            return None if changed is None else self._events[changed]
        return self._room.event(*key)

    @property
    def create(self) -> Event | None:
        """The room's create event."""
        return self._find(CREATE)

    @property
    def power_levels(self) -> PowerLevels:
        """The power levels."""
        if POWER_LEVELS not in self._delta and CREATE not in self._delta:
            return self._room.power_levels
        event = self._find(POWER_LEVELS)
        return PowerLevels(self.create, None if event is None else event.content, self._room.version)

    @property
    def join_rule(self) -> str:
        """The join rule."""
        return join_rule_of(self._find(JOIN_RULES))

    def membership(self, user_id: str) -> str | None:
        """Return the membership of `user_id`."""
        key = ("m.room.member", user_id)
        if key not in self._delta:
            return self._room.membership(user_id)
        event = self._find(key)
        return None if event is None else event.membership

    def event(self, event_type: str, state_key: str) -> Event | None:
        """Return the state event of that type and state key."""
        return self._find((event_type, state_key))


def changed(delta: Delta, event: Event) -> Delta:
    """Return the state after an accepted event, given the one before it."""
    return delta if event.key is None else {**delta, event.key: event.event_id}


def distinct(deltas: Iterable[Delta]) -> list[Delta]:
    """Return the states without repetitions."""
    found: list[Delta] = []
    for delta in deltas:
        if delta not in found:
            found.append(delta)
    return found


def between(state: Delta, reference: Delta, at_base: Mapping[StateKey, str]) -> dict[StateKey, str | None]:
    """Return `state` as a difference to `reference`; both are differences to the base.

    `at_base` holds what the base has under the keys of both.
    """
    keys: Sequence[StateKey] = list(dict.fromkeys((*state, *reference)))
    values = {key: state[key] if key in state else at_base.get(key) for key in keys}
    return {
        key: value
        for key, value in values.items()
        if value != (reference[key] if key in reference else at_base.get(key))
    }
