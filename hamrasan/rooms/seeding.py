"""Beginning a room with the state that another server tells (server-server API, "Joining Rooms")."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.protocol.auth_rules import NotAllowed, check_auth
from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.hashing import create_event_id_of
from hamrasan.protocol.room_versions import RoomVersion, room_version
from hamrasan.rooms.branches import branch_state
from hamrasan.rooms.decision import stored_event
from hamrasan.rooms.outliers import Checked, Outliers, side_event
from hamrasan.rooms.placing import is_allowed_by
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import CREATE, Member, Room
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.federated_rooms import (
    OUTLIER,
    REJECTED,
    OutsideEvent,
    PutFederatedRoom,
    StateFlipped,
)
from hamrasan.storage.ports.journal import Batch, Position, Write
from hamrasan.storage.ports.rooms import OUTSIDE, PutMembership, RoomRow, StateVersion, StoredEvent


class Seeding:
    """Begins rooms that this server has not known."""

    def __init__(self, registry: RoomRegistry, outliers: Outliers) -> None:
        self._registry = registry
        self._outliers = outliers

    async def seed(
        self,
        room_id: str,
        version: str,
        state: Sequence[Event],
        auth_chain: Sequence[Event],
        joined: Event,
    ) -> Room:
        """Return the new room once it is durable, with `joined` as its first event in the timeline.

        State that its own auth events do not allow, or whose auth chain is not complete, is left out. Raises
        `NotAllowed` if the join is then not allowed, or there is no create event of this room.
        """
        rules = federating_version(version)
        create = create_of(room_id, rules, state)
        number = await self._registry.next_number()
        room = Room(RoomRow(number, room_id, version, create.sender))
        events = {event.event_id: event for event in (*auth_chain, *state) if event.room_id == room_id}
        events.pop(joined.event_id, None)
        checked = await self._outliers.check(room, create, events, {}, ())
        _check_cites(room, create, joined, checked)
        slices = Slices(self._registry.clock)
        begins: dict[StateKey, Event] = {}
        for event in state:
            await slices.pause()
            key = event.key
            if key is not None and checked.is_allowed(event.event_id):
                begins[key] = event
        first = await self._reserve(len(begins))
        writes, stored = await self._fill(room, begins, first)
        for event_id, event in checked.events.items():
            await slices.pause()
            if event.key is None or begins.get(event.key) is not event:
                kind = OUTLIER if checked.is_allowed(event_id) else REJECTED
                writes.append(side_event(event, room, kind))
        check_auth(joined, room, rules, authorised_signed=True)
        await self._begin(room, joined, writes, stored)
        return room

    async def _reserve(self, count: int) -> Position:
        """Take positions for the state and return the first: what stands there is written with the join itself.

        So thousands of rows can be made without holding up the loop.
        """
        first = self._registry.journal.next_position
        await self._registry.journal.submit(Batch(positions=count))
        return first

    async def _fill(
        self, room: Room, state: dict[StateKey, Event], first: Position
    ) -> tuple[list[Write], list[StoredEvent]]:
        """Put state into a room that nobody has yet; return the rows of it, and the events."""
        slices = Slices(self._registry.clock)
        writes: list[Write] = []
        found: list[StoredEvent] = []
        ordered = sorted(state.values(), key=lambda event: (event.depth, event.origin_server_ts))
        for position, event in enumerate(ordered, first):
            await slices.pause()
            stored = stored_event(event, room, position, OUTSIDE)
            found.append(stored)
            key = event.state_key or ""
            writes += (
                OutsideEvent._make(stored),
                StateVersion(room.number, event.type, key, position, position),
            )
            if event.type != "m.room.member":
                room.put_state(stored)
                continue
            membership = event.membership or "leave"
            room.put_member(key, Member(membership, position, event.event_id))
            writes.append(
                PutMembership(room.number, key, membership, position, event.event_id, event.sender, position)
            )
        return writes, found

    async def _begin(self, room: Room, joined: Event, writes: list[Write], stored: list[StoredEvent]) -> None:
        decision = self._registry.begin(room)
        decision.batch.writes = writes
        event = decision.receive(joined)
        previous = tuple(joined.prev_events)
        room.seeded, room.missing, room.awaited = event.position, previous, previous
        unknown = encode_json(previous)
        writes.append(PutFederatedRoom(room.number, event.position, 0, 0, unknown, unknown))
        if len(previous) == 1:
            writes.append(branch_state(previous[0], room.number, event.position - 1, {}))
        came_before = [other for other in stored if (other.type, other.state_key) != joined.key]
        decision.batch.feed.append(StateFlipped(room.id, room.number, event.position, came_before, ()))
        await self._registry.create(room, decision)


def federating_version(version: str) -> RoomVersion:
    """Return the rules of a version whose rooms this server shares with others.

    Raises `M_UNSUPPORTED_ROOM_VERSION` for one that is unknown, and for the first two, whose events have ids that are
    not their hashes.
    """
    rules = room_version(version)
    if rules.hashed_references:
        raise MatrixError(
            400,
            "M_UNSUPPORTED_ROOM_VERSION",
            f"This server does not take part in rooms of version '{version}' on other servers.",
        )
    return rules


def create_of(room_id: str, version: RoomVersion, state: Sequence[Event]) -> Event:
    """Return the create event in the state of a room; raise `NotAllowed` unless there is one, and it is this room's."""
    found = [event for event in state if event.key == CREATE]
    if len(found) != 1 or found[0].room_id != room_id:
        raise NotAllowed("1", "The state of the room does not have one create event.")
    create = found[0]
    if version.authorization.room_id_is_create_hash and create.event_id != create_event_id_of(room_id):
        raise NotAllowed("1", "The create event is not the one that the room's id names.")
    if create.content.get("room_version", "1") != version.id:
        raise NotAllowed("1", "The create event names another room version.")
    return create


def _check_cites(room: Room, create: Event, joined: Event, checked: Checked) -> None:
    if not is_allowed_by(room, create, joined, checked.events, checked.rejected):
        raise NotAllowed("3", "The join's own auth events do not allow it.")
