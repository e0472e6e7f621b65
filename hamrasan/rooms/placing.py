"""Judging an event of another server wherever it stands in the room (server-server API, "Authorisation rules").

Everything here only reads; what is found is a `Verdict`, which holds as long as the room's state stays what it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hamrasan.protocol.auth_rules import (
    MapAuthState,
    MissingEventError,
    NotAllowed,
    check_auth,
    check_auth_events,
    deciding_types,
)
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.limits import MAX_PREV_EVENTS
from hamrasan.rooms.branches import Branches, BranchView, Delta, between, changed
from hamrasan.rooms.known_events import READ_AT_ONCE, Known, KnownEvents
from hamrasan.rooms.resolution import Resolution
from hamrasan.rooms.room import CREATE, Room
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.federated_rooms import REJECTED, SOFT_FAILED
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent

MAX_EXTREMITIES_OF_SERVER = 5
"""Last events of one room that are those of one server. It follows its own events, so it has one, or a few where it was
taken apart; who sends one fork after the other drops its own first ones."""
MAX_EXTREMITIES = MAX_PREV_EVENTS
"""Last events of one room: as many as the next event can follow, so that it brings all of them together. What comes
beyond is taken in, but counts only once something follows it."""
MAX_COVERED = 100
"""Events beside the room through which is looked for what an event follows."""


@dataclass(slots=True)
class Verdict:
    """What is to become of an event, decided by the room's state at `base`."""

    base: Position
    outcome: str | None = None
    """`REJECTED` or `SOFT_FAILED`; None: accepted."""
    missing_prev: Sequence[str] = ()
    missing_auth: Sequence[str] = ()
    awaited: Sequence[str] = ()
    """What it follows and is not known; its state was told."""
    follows_one: bool = False
    is_told: bool = False
    """The state before it was told by another server."""
    has_state: bool = False
    """The state before it is known, which an event that is rejected at once may lack."""
    before: Delta = field(default_factory=dict)
    after: Delta = field(default_factory=dict)
    current: Delta = field(default_factory=dict)
    """The room's state once the event is accepted."""
    own_state: Delta = field(default_factory=dict)
    """The state after the event, as a difference to `current`."""
    remaining: tuple[str, ...] = ()
    """Those of the room's last events that the event does not follow."""
    depths: Mapping[str, int] = field(default_factory=dict)
    is_last: bool = True
    is_fork: bool = False
    event: Event | None = None
    stored: Mapping[str, StoredEvent] = field(default_factory=dict)
    promoted: Sequence[Event] = ()
    """Events beside the room that are its state from now on."""
    rejected: Collection[str] = ()
    facts: tuple[Position, Position, tuple[str, ...]] | None = None

    def is_current(self, event: Event) -> bool:
        """Return whether the event is the state under its key from now on."""
        return event.key is not None and self.current.get(event.key) == event.event_id

    def flips(self, event: Event) -> Iterable[tuple[StateKey, str | None]]:
        """Return the other changes of the state."""
        return [(key, value) for key, value in self.current.items() if value != event.event_id]

    @property
    def flips_any(self) -> bool:
        """Return whether more of the state changes than the event's own key."""
        return self.event is not None and any(self.flips(self.event))

    def extremities(self, room: Room) -> dict[str, int] | None:
        """Return the last events of the room with this one, and their depths; None if it is the only one."""
        if self.event is None or not self.remaining:
            return None
        if len(room.extremities) == 1:
            found = {room.extremities[0]: room.depth}
        else:
            found = {event_id: self.depths[event_id] for event_id in self.remaining}
        if self.is_last:
            found[self.event.event_id] = self.event.depth
        return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))

    def holds_after_messages(self, room: Room, extremities: tuple[str, ...]) -> bool:
        """Return whether the verdict is as good after local messages, which are the only last event now."""
        if self.outcome is not None:
            return True
        return (
            len(extremities) == 1
            and self.remaining == extremities
            and len(room.extremities) == 1
            and self.event is not None
            and room.extremities[0] not in self.event.prev_events
        )

    def take_over(self, room: Room) -> None:
        """Let the room in memory know what was written down of it."""
        if self.facts is not None:
            room.forked, room.flipped, room.awaited = self.facts


class Placing:
    """Judges events."""

    def __init__(self, branches: Branches, known: KnownEvents, resolution: Resolution, clock: Clock) -> None:
        self._branches = branches
        self._known = known
        self._resolution = resolution
        self._clock = clock

    async def judge(
        self, room: Room, event: Event, base: Position, state_before: Sequence[Event] | None
    ) -> Verdict:
        """Return what is to become of `event`; `state_before` is the state that another server told.

        `base` is durable, and the room's state has not changed since.
        """
        verdict = Verdict(base, event=event, follows_one=len(event.prev_events) == 1)
        cited = await self._known.find(room.number, room.id, event.auth_events)
        verdict.missing_auth = cited.missing(event.auth_events)
        if verdict.missing_auth:
            return verdict
        if not event.prev_events or not allowed_by_auth_events(room, event, cited):
            verdict.outcome = REJECTED
        if not event.prev_events:
            return verdict
        branches = await self._branches.after(room, event.prev_events)
        unknown = [event_id for event_id in event.prev_events if event_id not in branches]
        if unknown and state_before is None:
            if verdict.outcome is None:
                verdict.missing_prev = unknown
            return verdict
        if unknown and state_before is not None:
            verdict.awaited, verdict.is_told = unknown, True
            verdict.before = await self._told(room, state_before)
        else:
            deltas = await self._branches.differences(room, branches, base)
            verdict.before = await self._resolution.resolve(room, base, deltas, {})
        verdict.has_state = True
        await self._check_states(room, event, verdict)
        verdict.after = verdict.before if verdict.outcome == REJECTED else changed(verdict.before, event)
        if verdict.outcome is None:
            await self._find_place(room, event, verdict)
        return verdict

    async def take_over(self, room: Room, joined: Event, base: Position, state: Sequence[Event]) -> Verdict:
        """Return what is to become of a join after which the room is what another server says."""
        verdict = Verdict(base, event=joined, is_fork=True, has_state=True, is_told=True)
        cited = await self._known.find(room.number, room.id, joined.auth_events)
        verdict.missing_auth = cited.missing(joined.auth_events)
        if verdict.missing_auth:
            return verdict
        verdict.before = await self._told(room, state)
        if not allowed_by_auth_events(room, joined, cited):
            verdict.outcome = REJECTED
            return verdict
        placed = await self._branches.after(room, joined.prev_events)
        verdict.awaited = [event_id for event_id in joined.prev_events if event_id not in placed]
        verdict.follows_one = len(joined.prev_events) == 1
        if not await self._is_allowed_before(room, joined, verdict.before):
            verdict.outcome = REJECTED
            return verdict
        verdict.after = verdict.current = changed(verdict.before, joined)
        await self._find_flips(room, joined, verdict)
        return verdict

    async def _told(self, room: Room, state: Sequence[Event]) -> Delta:
        """Return a state that was told as a difference to the room's, without what the rules refused."""
        slices = Slices(self._clock)
        given: dict[StateKey, str] = {}
        for start in range(0, len(state), READ_AT_ONCE):
            await slices.pause()
            chunk = [event for event in state[start : start + READ_AT_ONCE] if event.key is not None]
            known = await self._known.find(room.number, room.id, [event.event_id for event in chunk])
            refused = known.rejected
            for event in chunk:
                if event.key is not None and event.event_id in known.events and event.event_id not in refused:
                    given[event.key] = event.event_id
        delta: dict[StateKey, str | None] = {
            key: event_id for key, event_id in given.items() if room.state_event_id(key) != event_id
        }
        await slices.pause()
        ours = (*room.state, *(("m.room.member", user_id) for user_id in room.members))
        delta.update((key, None) for key in ours if key not in given)
        return delta

    async def _check_states(self, room: Room, event: Event, verdict: Verdict) -> None:
        """Judge an event by the state before it, then by the room's state now."""
        if verdict.outcome is not None:
            return
        if not await self._is_allowed_before(room, event, verdict.before):
            verdict.outcome = REJECTED
            return
        try:
            check_auth(event, room, room.version, authorised_signed=True)
        except NotAllowed:
            verdict.outcome = SOFT_FAILED

    async def _is_allowed_before(self, room: Room, event: Event, before: Delta) -> bool:
        """Return whether a state allows an event."""
        keys = deciding_types(event.type, event.sender, event.state_key, event.content, room.version)
        ids = [event_id for key in keys if (event_id := before.get(key)) is not None]
        known = await self._known.find(room.number, room.id, ids)
        view = BranchView(room, before, known.events)
        try:
            check_auth(event, view, room.version, authorised_signed=True)
        except NotAllowed:
            return False
        return True

    async def _find_place(self, room: Room, event: Event, verdict: Verdict) -> None:
        """Find the room's last events and its state with an event that is accepted."""
        extremities = room.extremities
        covered = await self._covered(room, event)
        remaining = tuple(event_id for event_id in extremities if event_id not in covered)
        verdict.remaining = remaining
        verdict.is_fork = set(event.prev_events) != set(extremities)
        verdict.is_last = not remaining or (
            event.event_id not in room.awaited and len(remaining) < MAX_EXTREMITIES
        )
        if len(extremities) == 1:
            verdict.depths = {extremities[0]: room.depth}
            states: list[Delta] = [{}] if remaining else []
        else:
            found = await self._known.find(room.number, room.id, remaining)
            remaining = verdict.remaining = _without_floods(event, remaining, found.events)
            verdict.depths = {event_id: found.events[event_id].depth for event_id in remaining}
            rows = await self._branches.after(room, remaining)
            states = await self._branches.differences(room, rows, verdict.base)
        if verdict.is_last:
            states.append(verdict.after)
        new = {event.event_id: event}
        current = await self._resolution.resolve(room, verdict.base, states, new)
        keys = list(dict.fromkeys((*verdict.after, *current)))
        at_base = await self._branches.ids_at_base(room, verdict.base, keys)
        verdict.current = {key: value for key, value in current.items() if value != at_base.get(key)}
        verdict.own_state = between(verdict.after, verdict.current, at_base)
        await self._find_flips(room, event, verdict)

    async def _find_flips(self, room: Room, event: Event, verdict: Verdict) -> None:
        """Find the events that become the state, in the room or beside it."""
        flipped = [event_id for _, event_id in verdict.flips(event) if event_id is not None]
        known = await self._known.find(room.number, room.id, flipped)
        verdict.stored = known.stored
        verdict.promoted = [
            known.events[event_id] for event_id in known.beside if event_id not in known.stored
        ]
        verdict.rejected = known.rejected

    async def _covered(self, room: Room, event: Event) -> set[str]:
        """Return what an event follows, also through events that are kept beside the room."""
        covered = set(event.prev_events)
        waiting = list(covered.difference(room.extremities))
        looked_at = 0
        while waiting and looked_at < MAX_COVERED:
            looked_at += len(waiting)
            known = await self._known.find(room.number, room.id, waiting)
            waiting = []
            for event_id in known.beside:
                for before in known.events[event_id].prev_events:
                    if before not in covered:
                        covered.add(before)
                        waiting.append(before)
        return covered


def _without_floods(event: Event, remaining: Sequence[str], events: Mapping[str, Event]) -> tuple[str, ...]:
    """Return last events of a room without the oldest of those of the event's own server, if that has too many."""
    server = event.sender.partition(":")[2]
    own = [each for each in remaining if events[each].sender.partition(":")[2] == server]
    dropped = set(own[: max(0, len(own) + 1 - MAX_EXTREMITIES_OF_SERVER)])
    return tuple(each for each in remaining if each not in dropped)


def allowed_by_auth_events(room: Room, event: Event, cited: Known) -> bool:
    """Return whether the auth events of an event are the right ones, and allow it."""
    create = room.create
    if create is None or (event.type == CREATE[0] and event.event_id != create.event_id):
        return False
    return is_allowed_by(room, create, event, cited.events, cited.rejected)


def is_allowed_by(
    room: Room, create: Event, event: Event, auth_events: Mapping[str, Event], rejected: Collection[str]
) -> bool:
    """Return whether an event is allowed by the auth events that it cites, in a room with this create event."""
    state: dict[StateKey, Event] = {}
    for event_id in event.auth_events:
        cited = auth_events.get(event_id)
        if cited is None or (cited.type == CREATE[0] and event_id != create.event_id):
            return False
        if cited.key is not None:
            state[cited.key] = cited
    if event.type != CREATE[0]:
        state[CREATE] = create
    try:
        check_auth_events(event, auth_events, rejected, room.version)
        check_auth(event, MapAuthState(room.version, state), room.version, authorised_signed=True)
    except (NotAllowed, MissingEventError):
        return False
    return True
