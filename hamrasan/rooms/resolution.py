"""Bringing the branches of a room together (each room version's "State resolution"), in a thread where it is much."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from hamrasan.protocol.auth_rules import deciding_types
from hamrasan.protocol.errors import unavailable
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.state_resolution import resolve
from hamrasan.protocol.state_resolution.room import RoomEvents
from hamrasan.rooms.branches import Branches, Delta, distinct
from hamrasan.rooms.known_events import Known, KnownEvents
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.federated_rooms import FederatedRoomReader
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StateReader

MAX_EVENTS = 50_000
"""Events that one resolution looks at: some seconds of a thread. Auth chains of the largest rooms have a tenth."""
INLINE_EVENTS = 50
"""With as many, a resolution takes less than two milliseconds and is not worth a thread."""


class Resolution:
    """Resolves the states of branches, each given as a difference to the room's state at one position."""

    def __init__(
        self,
        branches: Branches,
        known: KnownEvents,
        state: StateReader,
        federated: FederatedRoomReader,
    ) -> None:
        self._branches = branches
        self._known = known
        self._state = state
        self._federated = federated

    async def resolve(
        self, room: Room, base: Position, deltas: Sequence[Delta], new: Mapping[str, Event]
    ) -> Delta:
        """Return the state in which branches come together, as a difference to the state at `base`, too.

        `new` are events that are not stored yet. Raises 503 for a conflict that is too large to be resolved.
        """
        states = distinct(deltas)
        if len(states) == 1:
            return states[0]
        keys = list(dict.fromkeys(key for state in states for key in state))
        at_base = await self._branches.ids_at_base(room, base, keys)
        values = [{key: state[key] if key in state else at_base.get(key) for key in keys} for state in states]
        conflicted = {key for key in keys if any(each[key] != values[0][key] for each in values)}
        agreed = {key: values[0][key] for key in keys if key not in conflicted}
        ids = {event_id for each in values for key in conflicted if (event_id := each[key]) is not None}
        known = Known(events=dict(new))
        try:
            await self._known.find_chains(room.number, room.id, ids, known, MAX_EVENTS)
            shared = await self._deciding(room, base, known, conflicted, agreed, at_base)
            await self._known.find_chains(room.number, room.id, shared.values(), known, MAX_EVENTS)
        except OverflowError:
            raise unavailable("The branches of this room differ too much to be brought together.") from None
        sets = [
            shared | {key: event_id for key in conflicted if (event_id := each[key]) is not None}
            for each in values
        ]
        chain = await self._shared_chain(room, base, known, sets, shared, ids, agreed)
        resolved = await self._run(room, sets, known, chain)
        return {
            key: value
            for key, value in (agreed | {key: resolved.get(key) for key in conflicted}).items()
            if value != at_base.get(key)
        }

    async def _run(
        self, room: Room, sets: Sequence[Mapping[StateKey, str]], known: Known, chain: Collection[str]
    ) -> Mapping[StateKey, str]:
        def run() -> dict[StateKey, str]:
            return resolve(
                room.version, sets, known.events, rejected=known.rejected, unconflicted_chain=chain
            )

        return run() if len(known.events) <= INLINE_EVENTS else await asyncio.to_thread(run)

    async def _deciding(
        self,
        room: Room,
        base: Position,
        known: Known,
        conflicted: Collection[StateKey],
        agreed: Mapping[StateKey, str | None],
        at_base: Mapping[StateKey, str],
    ) -> dict[StateKey, str]:
        """Return the undisputed state that the rules may read for any event that may be tried."""
        wanted: dict[StateKey, None] = {}
        for event in known.events.values():
            if event.state_key is not None:
                types = deciding_types(event.type, event.sender, event.state_key, event.content, room.version)
                wanted.update(dict.fromkeys(types))
        rest = [key for key in wanted if key not in conflicted and key not in agreed]
        found = await self._branches.ids_at_base(room, base, rest)
        return found | {key: event_id for key, event_id in agreed.items() if event_id is not None}

    async def _shared_chain(
        self,
        room: Room,
        base: Position,
        known: Known,
        sets: Sequence[Mapping[StateKey, str]],
        shared: Mapping[StateKey, str],
        conflicted_ids: Collection[str],
        agreed: Mapping[StateKey, str | None],
    ) -> Collection[str]:
        """Return the auth chain of the undisputed state, as far as the conflicted events' chains come upon it.

        What the state that decides leads to is at hand. Only if the chains still differ by more than the conflicted
        events does it matter what the rest of the state leads to, and that is looked through.
        """
        events = RoomEvents(room.version, known.events, known.rejected)
        ids = set(shared.values())
        chain = events.chain(ids)
        chains = [
            events.chain((each for each in state.values() if each in conflicted_ids), without=chain)
            for state in sets
        ]
        differing = set[str]().union(*chains) - chains[0].intersection(*chains[1:]) - set(conflicted_ids)
        if differing:
            disputed = {key for state in sets for key in state if key not in shared}
            chain |= await self._reached(room, base, disputed, agreed, differing, chain)
        return chain

    async def _reached(
        self,
        room: Room,
        base: Position,
        disputed: Collection[StateKey],
        agreed: Mapping[StateKey, str | None],
        wanted: Collection[str],
        passed: Collection[str],
    ) -> set[str]:
        """Return what the whole undisputed state leads to, up to where all of `wanted` are found or none is left."""
        reached = set(passed)
        waiting: list[str] = []
        for stored in await self._state.at(room.number, base):
            key = (stored.type, stored.state_key or "")
            if key not in disputed and key not in agreed and stored.event_id not in reached:
                waiting.append(stored.event_id)
                reached.add(stored.event_id)
        missing = set(wanted) - reached
        while waiting and missing:
            cited = await self._federated.auth_events(waiting)
            waiting = []
            for _, auth_events in cited.values():
                for event_id in auth_events:
                    if event_id not in reached:
                        reached.add(event_id)
                        missing.discard(event_id)
                        waiting.append(event_id)
        return reached
