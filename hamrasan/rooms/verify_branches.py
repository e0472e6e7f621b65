"""Checking what is stored of rooms that other servers are in: those that are no lists from their first event on.

There is no replaying them: the first events are not known, others came along with a join. But each event is allowed by
those that it cites; the state after it is what comes of the states after those that it follows; and the room's state
is what comes of those after its last events.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.protocol.hashing import check_content_hash, event_id_of
from hamrasan.rooms.branches import BEFORE, Branches, changed
from hamrasan.rooms.known_events import KnownEvents
from hamrasan.rooms.placing import is_allowed_by
from hamrasan.rooms.resolution import Resolution
from hamrasan.rooms.room import CREATE, Room
from hamrasan.rooms.timeline_event import parsed_event, pdu_of
from hamrasan.storage.ports.federated_rooms import REJECTED, FederatedRoomReader, FederatedRoomRow
from hamrasan.storage.ports.journal import FIRST_POSITION, Position
from hamrasan.storage.ports.rooms import OUTSIDE, EventReader, RoomReader, RoomRow, StateReader, StoredEvent

PAGE = 500
"""Rows read at once."""
FAR: Position = 2**62
"""A position that no journal comes to."""

Found = Callable[..., None]
"""Takes note of a problem: the event, what is wrong, and the values that the text of it names."""


class BranchedRoom:
    """One room that other servers are in."""

    def __init__(
        self,
        row: RoomRow,
        facts: FederatedRoomRow,
        events: EventReader,
        state: StateReader,
        federated: FederatedRoomReader,
        found: Found,
    ) -> None:
        self._room = Room(row)
        self._room.put_federated(facts)
        self._room.state_head = FAR  # nothing is in memory: whatever is asked for is read
        self._facts = facts
        self._events = events
        self._state = state
        self._federated = federated
        self._found = found
        self._known = KnownEvents(events, federated)
        self._branches = Branches(events, state, federated)
        self._resolution = Resolution(self._branches, self._known, state, federated)
        self._create: Event | None = None
        self._last: StoredEvent | None = None
        self.events = 0

    async def look(self, rooms: RoomReader) -> None:
        """Look at every event of the room, and its state."""
        number = self._room.number
        for stored in await self._state.at(number, FAR, [CREATE]):
            self._create = parsed_event(stored, self._room.id)
        if self._create is None:
            self._found(None, "found.empty")
            return
        async for stored in self._all(number):
            self.events += 1
            try:
                await self._look_at(stored)
            except Exception as error:
                self._found(stored, "found.unreadable", reason=error)
        await self._look_beside(number)
        await self._compare(rooms)

    async def _all(self, number: int) -> AsyncIterator[StoredEvent]:
        after = FIRST_POSITION
        while page := await self._federated.outside(number, after, PAGE):
            for stored in page:
                yield stored
            after = page[-1].position
        after = FIRST_POSITION
        while page := await self._events.page(number, after, FAR, PAGE, backwards=False):
            for stored in page:
                yield stored
                self._last = stored
            after = page[-1].position

    async def _look_at(self, stored: StoredEvent) -> None:
        room = self._room
        pdu = pdu_of(stored, room.id, room.version)
        if event_id_of(pdu, room.version) != stored.event_id:
            self._found(stored, "found.id")
        if stored.redacted_by is None and not check_content_hash(pdu, room.version):
            self._found(stored, "found.content")
        event = parsed_event(stored, room.id)
        if stored.redacted_by is None and not await self._is_allowed(event):
            self._found(stored, "found.auth")
        if stored.position > 0 and stored.flags < OUTSIDE and event.type != CREATE[0]:
            await self._check_state(stored, event)

    async def _check_state(self, stored: StoredEvent, event: Event) -> None:
        """Compare the state after an event with what comes of the states after those that it follows."""
        room = self._room
        before = await self._branches.after(room, event.prev_events)
        told = await self._federated.branches([BEFORE + event.event_id])
        after = await self._branches.after(room, [event.event_id])
        if told or stored.position == self._facts.seeded:
            return  # by another server, whose word for it was all there was
        if len(before) < len(set(event.prev_events)):
            self._found(stored, "found.order")
            return
        base = stored.position
        states = [await self._branches.difference(room, branch, base) for branch in before.values()]
        merged = changed(await self._resolution.resolve(room, base, states, {}), event)
        kept = await self._branches.difference(room, after[event.event_id], base)
        at_base = await self._branches.ids_at(room.number, base, [*merged, *kept])
        for key in {*merged, *kept}:
            if merged.get(key, at_base.get(key)) != kept.get(key, at_base.get(key)):
                self._found(stored, "found.branch", type=key[0], state_key=key[1])

    async def _is_allowed(self, event: Event) -> bool:
        if self._create is None:
            return False
        cited = await self._known.find(self._room.number, self._room.id, event.auth_events)
        return is_allowed_by(self._room, self._create, event, cited.events, cited.rejected)

    async def _look_beside(self, number: int) -> None:
        """Look at the events that are kept beside the room."""
        after = ""
        while page := await self._federated.all_side_events(number, after, PAGE):
            for side in page:
                event = event_from_pdu(parse_json(side.pdu), side.event_id, self._room.id)
                is_right = event_id_of(event.pdu, self._room.version) == side.event_id
                if not is_right or (side.kind != REJECTED and not await self._is_allowed(event)):
                    self._found(None, "found.beside", event_id=side.event_id)
            after = page[-1].event_id

    async def _compare(self, rooms: RoomReader) -> None:
        """Compare the room's state with those after its last events, and the memberships with the state."""
        room = self._room
        if self._last is None:
            self._found(None, "found.empty")
            return
        base = self._last.position
        last = [event_id for event_id, _ in self._facts.extremities] or [self._last.event_id]
        branches = await self._branches.after(room, last)
        states = [await self._branches.difference(room, branch, base) for branch in branches.values()]
        if len(states) < len(last):
            self._found(self._last, "found.order")
        else:
            for type_, state_key in await self._resolution.resolve(room, base, states, {}):
                self._found(None, "found.state", type=type_, state_key=state_key)
        members = {member.user_id: member for member in await rooms.members(room.number)}
        for stored in await self._state.members_at(room.number, FAR):
            member = members.pop(stored.state_key or "", None)
            membership = parse_json(stored.content).get("membership")
            if member is None or (member.membership, member.event_id) != (membership, stored.event_id):
                self._found(stored, "found.member", user_id=stored.state_key)
        for user_id in members:
            self._found(None, "found.stray_member", user_id=user_id)
