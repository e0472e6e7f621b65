"""The Room aggregate: what decides about new events, in memory and without waiting (architecture, decision 2).

Two views live side by side. The *decided* view (`state`, `members`, `head`) is what the next event is judged by and may
run ahead of the disk; the *durable* view (`tail`, `durable_head`) is what readers are shown. A room whose commit failed
is `stale` and leaves memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from hamrasan.protocol.auth_rules.power_levels import PowerLevels
from hamrasan.protocol.auth_rules.state import join_rule_of
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.room_versions import RoomVersion, room_version
from hamrasan.rooms.timeline_event import TimelineEvent, parsed_event
from hamrasan.rooms.transactions import Transactions
from hamrasan.storage.ports.federated_rooms import FederatedRoomRow
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import RoomRow, StoredEvent

TAIL_EVENTS = 64
"""Recent durable events kept in memory for each loaded room: what waiting clients are served from."""
TAIL_BYTES = 256 * 1024
"""... as long as they are not larger than that, but always the last one: an event may have 64 KiB, and with thousands
of rooms in memory that would be more than a machine has. Usual ones have less than 1 KiB.
"""

CREATE, POWER_LEVELS, JOIN_RULES = (
    ("m.room.create", ""),
    ("m.room.power_levels", ""),
    ("m.room.join_rules", ""),
)


def _size_of(stored: StoredEvent) -> int:
    """Return about how many bytes an event takes in the tail."""
    return len(stored.content) + len(stored.envelope)


class Member(NamedTuple):
    """A user's current membership of a room, as compact as the largest room needs it."""

    membership: str
    position: Position
    """From where on it is so; the event itself may be older, where a fork brought it back."""
    event_id: str


class StateEntry(NamedTuple):
    """A current state event other than a membership."""

    stored: StoredEvent
    event: Event


class Room:
    """A loaded room. It implements `AuthState`, so the authorization rules read it directly."""

    __slots__ = (
        "__weakref__",
        "_power_levels",
        "awaited",
        "depth",
        "durable_head",
        "extremities",
        "flipped",
        "forked",
        "head",
        "id",
        "invited",
        "joined",
        "listed",
        "members",
        "missing",
        "number",
        "pending_redactions",
        "placed",
        "related",
        "row",
        "seeded",
        "servers",
        "stale",
        "state",
        "state_head",
        "tail",
        "tail_bytes",
        "tail_start",
        "transactions",
        "version",
    )

    def __init__(self, row: RoomRow) -> None:
        """Make a room without any event."""
        self.row = row
        self.id = row.room_id
        self.number = row.room
        self.version: RoomVersion = room_version(row.version)
        self.state: dict[StateKey, StateEntry] = {}
        self.members: dict[str, Member] = {}
        self.joined = 0
        self.invited = 0
        self.servers: dict[str, int] = {}
        """How many users of each server are in the room."""
        self.head: Position = 0
        self.state_head: Position = 0
        """The state has not changed since this position."""
        self.depth = 0
        """The greatest of the extremities'."""
        self.extremities: tuple[str, ...] = ()
        """What the next event will follow: the last event; several, the newest last, after a fork."""
        self.listed = False
        """The extremities are written down, since they are not just the last event by position."""
        self.seeded: Position = 0
        self.forked: Position = 0
        self.flipped: Position = 0
        self.missing: tuple[str, ...] = ()
        self.awaited: tuple[str, ...] = ()
        self.pending_redactions: dict[str, str] = {}
        """What is special about a room that other servers are in: see `FederatedRoomRow`."""
        self.placed: dict[str, Position] = {}
        """Positions of those member events that a fork brought back."""
        self.transactions: Transactions | None = None
        """Those of the last events, decided or durable; None until somebody sends with a transaction id."""
        self.tail: deque[TimelineEvent] = deque()
        self.tail_bytes = 0
        self.tail_start: Position = 0
        """The tail holds every durable event after this position."""
        self.related: set[str] = set()
        """Ids of events that something in the tail relates to."""
        self.durable_head: Position = 0
        self.stale = False
        self._power_levels: PowerLevels | None = None

    def fill(
        self,
        state: Sequence[StoredEvent],
        tail: Sequence[StoredEvent],
        federated: FederatedRoomRow | None = None,
    ) -> None:
        """Take over what the store holds of the room but for members; `tail` is its last events, the oldest first."""
        for stored in state:
            self.put_state(stored)
        if tail:
            last = tail[-1]
            self.head, self.depth, self.extremities = last.position, last.depth, (last.event_id,)
            self.durable_head = last.position
            self.tail_start = tail[0].position - 1
            self.state_head = last.position
            for stored in tail:
                self._append(TimelineEvent(stored))
        if federated is not None:
            self.put_federated(federated)
            self.pending_redactions = dict(federated.pending_redactions)
            if federated.extremities:
                self.listed = True
                self.extremities = tuple(event_id for event_id, _ in federated.extremities)
                self.depth = max(depth for _, depth in federated.extremities)

    # What the authorization rules read.

    @property
    def create(self) -> Event | None:
        """The room's create event."""
        return self.event(*CREATE)

    @property
    def power_levels(self) -> PowerLevels:
        """The room's power levels, parsed once for each change."""
        if self._power_levels is None:
            event = self.event(*POWER_LEVELS)
            self._power_levels = PowerLevels(
                self.create, None if event is None else event.content, self.version
            )
        return self._power_levels

    @property
    def join_rule(self) -> str:
        """The room's join rule."""
        return join_rule_of(self.event(*JOIN_RULES))

    def membership(self, user_id: str) -> str | None:
        """Return the current membership of `user_id`, None if there never was one."""
        member = self.members.get(user_id)
        return None if member is None else member.membership

    def event(self, event_type: str, state_key: str) -> Event | None:
        """Return a current state event other than a membership."""
        entry = self.state.get((event_type, state_key))
        return None if entry is None else entry.event

    # What others ask.

    def content(self, event_type: str, state_key: str = "") -> dict[str, object]:
        """Return the content of a current state event, empty if there is none."""
        event = self.event(event_type, state_key)
        return {} if event is None else dict(event.content)

    def state_event_id(self, key: StateKey) -> str | None:
        """Return the id of the current state event under `key`."""
        if key[0] == "m.room.member":
            member = self.members.get(key[1])
            return None if member is None else member.event_id
        entry = self.state.get(key)
        return None if entry is None else entry.stored.event_id

    def known_state_at(self, position: Position) -> Position:
        """Return where to read the state at `position`: what was before this server came is not known.

        There, the oldest state that is known stands for it.
        """
        return position if position >= self.seeded else self.seeded - 1

    def state_position(self, key: StateKey) -> Position:
        """Return the position of the current state event under `key`, 0 if there is none."""
        if key[0] == "m.room.member":
            member = self.members.get(key[1])
            if self.placed and key[1] in self.placed:
                return self.placed[key[1]]
            return 0 if member is None else member.position
        entry = self.state.get(key)
        return 0 if entry is None else entry.stored.position

    # Changes; only `Decision` and the registry make them.

    def put_state(self, stored: StoredEvent) -> None:
        """Make `stored` the current state under its key (not for memberships)."""
        key = (stored.type, stored.state_key or "")
        self.state[key] = StateEntry(stored, parsed_event(stored, self.id))
        self._power_levels_changed(key)

    def restore_state(self, key: StateKey, entry: StateEntry | None) -> None:
        """Put back what was the state before a decision that is undone."""
        if entry is None:
            self.state.pop(key, None)
        else:
            self.state[key] = entry
        self._power_levels_changed(key)

    def put_member(self, user_id: str, member: Member | None, placed: Position | None = None) -> None:
        """Set (or, with None, take away) a membership, keeping the counts.

        `placed` is where the event stands, if that is not where the membership begins.
        """
        before = self.members.get(user_id)
        was_joined = before is not None and before.membership == "join"
        is_joined = member is not None and member.membership == "join"
        if was_joined != is_joined:
            change = 1 if is_joined else -1
            self.joined += change
            self._count_server(user_id.partition(":")[2], change)
        self.invited -= before is not None and before.membership == "invite"
        self.placed.pop(user_id, None)
        if member is None:
            self.members.pop(user_id, None)
            return
        self.invited += member.membership == "invite"
        self.members[user_id] = member
        if placed is not None:
            self.placed[user_id] = placed

    def put_federated(self, row: FederatedRoomRow) -> None:
        """Take over what is special about a room, but for its extremities and what is to be redacted."""
        self.seeded, self.forked, self.flipped, self.missing, self.awaited = row[:5]

    def put_moved(self, moved: StoredEvent) -> None:
        """Take note that an event of the state has got a place elsewhere."""
        key = (moved.type, moved.state_key or "")
        if moved.type == "m.room.member":
            member = self.members.get(key[1])
            if member is not None and member.event_id == moved.event_id:
                self.placed[key[1]] = moved.position
            return
        entry = self.state.get(key)
        if entry is not None and entry.stored.event_id == moved.event_id:
            self.put_state(moved)

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """Take note that these events are durable: readers may see them now."""
        for stored in events:
            self._append(TimelineEvent(stored))
            self.durable_head = stored.position

    def tail_between(self, after: Position, upto: Position) -> list[TimelineEvent]:
        """Return the events of the tail with after < position <= upto, the oldest first."""
        found: list[TimelineEvent] = []
        for event in reversed(self.tail):
            position = event.stored.position
            if position <= after:
                break
            if position <= upto:
                found.append(event)
        found.reverse()
        return found

    def redacted(self, redacted: StoredEvent) -> None:
        """Show an event in its redacted form from now on; `redacted` is that form."""
        for index, event in enumerate(self.tail):
            if event.stored.position == redacted.position:
                self.tail[index] = TimelineEvent(redacted)
                self.tail_bytes += _size_of(redacted) - _size_of(event.stored)
        entry = self.state.get((redacted.type, redacted.state_key or ""))
        if entry is not None and entry.stored.position == redacted.position:
            self.put_state(redacted)

    def _append(self, event: TimelineEvent) -> None:
        tail = self.tail
        tail.append(event)
        self.tail_bytes += _size_of(event.stored)
        while len(tail) > TAIL_EVENTS or (self.tail_bytes > TAIL_BYTES and len(tail) > 1):
            dropped = tail.popleft().stored
            self.tail_bytes -= _size_of(dropped)
            self.tail_start = dropped.position
        if event.stored.relates_to is not None:
            if len(self.related) > TAIL_EVENTS * 2:
                self.related = {e.stored.relates_to for e in self.tail if e.stored.relates_to is not None}
            self.related.add(event.stored.relates_to)

    def _count_server(self, server: str, change: int) -> None:
        count = self.servers.get(server, 0) + change
        if count:
            self.servers[server] = count
        else:
            self.servers.pop(server, None)

    def _power_levels_changed(self, key: StateKey) -> None:
        if key in (POWER_LEVELS, CREATE):
            self._power_levels = None
