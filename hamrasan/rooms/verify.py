"""Checking what is stored of rooms: every event's hashes and id, every room's chain of events, rules and state.

Nothing is trusted that can be computed: a room is replayed from its first event on, and what comes out is compared
with what the store says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from hamrasan.protocol.auth_rules import MapAuthState, check_auth
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.event_format import max_depth
from hamrasan.protocol.hashing import check_content_hash, event_id_of
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from hamrasan.rooms.timeline_event import parsed_event, pdu_of
from hamrasan.rooms.verify_branches import BranchedRoom
from hamrasan.storage.ports.federated_rooms import FederatedRoomReader
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import EventReader, RoomReader, RoomRow, StateReader, StoredEvent

PAGE = 500
"""Rows read at once."""
MAX_PROBLEMS = 100
"""Problems of one room that are told; a broken room has either few or all of them."""


FoundInRoom = Literal[
    "found.auth",
    "found.beside",
    "found.branch",
    "found.content",
    "found.depth",
    "found.empty",
    "found.id",
    "found.member",
    "found.order",
    "found.replaces",
    "found.rules",
    "found.state",
    "found.stray_member",
    "found.unreadable",
    "found.version",
]
"""What can be wrong with a room; the texts are those of the command line."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it should be."""

    room_id: str
    event_id: str | None
    what: FoundInRoom
    values: Mapping[str, object]
    """What the text of `what` names."""


@dataclass(slots=True)
class Verified:
    """How much was looked at, and what was found."""

    rooms: int = 0
    events: int = 0
    problems: list[Problem] = field(default_factory=list)


async def verify_rooms(
    rooms: RoomReader, events: EventReader, state: StateReader, federated: FederatedRoomReader
) -> Verified:
    """Look at every event and the state of every room."""
    result = Verified()
    after = 0
    while page := await rooms.page(after, PAGE):
        for row in page:
            result.rooms += 1
            if row.version not in ROOM_VERSIONS:
                result.problems.append(Problem(row.room_id, None, "found.version", {"version": row.version}))
                continue
            replay = _Replay(row)
            facts = await federated.room(row.room)
            if facts is not None:
                branched = BranchedRoom(row, facts, events, state, federated, replay.found)
                await branched.look(rooms)
                replay.events = branched.events
            else:
                async for stored in _all_events(events, row):
                    replay.add(stored)
                await replay.compare(rooms, state)
            result.events += replay.events
            result.problems += replay.problems
        after = page[-1].room
    return result


async def _all_events(events: EventReader, row: RoomRow) -> AsyncIterator[StoredEvent]:
    after: Position = 0
    while page := await events.page(row.room, after, 2**62, PAGE, backwards=False):
        for stored in page:
            yield stored
        after = page[-1].position


class _Replay:
    """One room, from its first event on."""

    def __init__(self, row: RoomRow) -> None:
        self.row = row
        self.version: RoomVersion = ROOM_VERSIONS[row.version]
        self.state: dict[StateKey, StoredEvent] = {}
        self.parsed: dict[StateKey, Event] = {}
        self.last: StoredEvent | None = None
        self.events = 0
        self.problems: list[Problem] = []

    def add(self, stored: StoredEvent) -> None:
        """Look at the next event of the room; whatever is wrong with it, the following ones are looked at as well."""
        self.events += 1
        try:
            self._look_at(stored)
        except Exception as error:
            self.found(stored, "found.unreadable", reason=error)
        self.last = stored

    def _look_at(self, stored: StoredEvent) -> None:
        pdu = pdu_of(stored, self.row.room_id, self.version)
        if event_id_of(pdu, self.version) != stored.event_id:
            self.found(stored, "found.id")
        if stored.redacted_by is None and not check_content_hash(pdu, self.version):
            self.found(stored, "found.content")
        event = parsed_event(stored, self.row.room_id)
        self._check_place(stored, event)
        try:
            # Who vouched for a restricted join has signed it: events of others were checked when they came, and those
            # of this server are signed when they leave it.
            check_auth(event, MapAuthState(self.version, self.parsed), self.version, authorised_signed=True)
        except MatrixError as error:
            # A redacted event may lack what once allowed it (a restricted join's authorising user).
            if stored.redacted_by is None:
                self.found(stored, "found.rules", reason=error.message)
        if stored.state_key is not None:
            self._apply(stored, event)

    def _check_place(self, stored: StoredEvent, event: Event) -> None:
        previous = [] if self.last is None else [self.last.event_id]
        if list(event.prev_events) != previous:
            self.found(stored, "found.order")
        depth = min(1 if self.last is None else self.last.depth + 1, max_depth(self.version))
        if stored.depth != depth and "signatures" not in event.pdu:  # other servers say what they like
            self.found(stored, "found.depth", depth=stored.depth, expected=depth)

    def _apply(self, stored: StoredEvent, event: Event) -> None:
        key = (stored.type, stored.state_key or "")
        before = self.state.get(key)
        if stored.replaces != (0 if before is None else before.position):
            self.found(stored, "found.replaces")
        self.state[key] = stored
        self.parsed[key] = event

    async def compare(self, rooms: RoomReader, state: StateReader) -> None:
        """Compare the state that came out with the store's."""
        if self.last is None:
            self.found(None, "found.empty")
            return
        stored = {
            (s.type, s.state_key or ""): s.event_id for s in await state.at(self.row.room, self.last.position)
        }
        replayed = {key: s.event_id for key, s in self.state.items()}
        for key in stored.keys() | replayed.keys():
            if stored.get(key) != replayed.get(key):
                self.found(None, "found.state", type=key[0], state_key=key[1])
        members = {m.user_id: (m.membership, m.event_id) for m in await rooms.members(self.row.room)}
        for (type_, user_id), member in self.state.items():
            if type_ != "m.room.member":
                continue
            membership = self.parsed[(type_, user_id)].content.get("membership")
            if members.pop(user_id, None) != (membership, member.event_id):
                self.found(member, "found.member", user_id=user_id)
        for user_id in members:
            self.found(None, "found.stray_member", user_id=user_id)

    def found(self, stored: StoredEvent | None, what: FoundInRoom, **values: object) -> None:
        """Take note of a problem."""
        if len(self.problems) < MAX_PROBLEMS:
            event_id = None if stored is None else stored.event_id
            self.problems.append(Problem(self.row.room_id, event_id, what, values))
