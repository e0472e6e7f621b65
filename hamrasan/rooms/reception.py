"""Taking in events of other servers (server-server API, "Checks performed on receipt of a PDU").

As long as all servers of a room agree, an event that comes follows the room's last one and cites its current state:
then it costs what a local one does. Everything else is gathered first, without holding anybody up, and decided in one
synchronous stretch if the room is still as it was; else it is gathered again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import NamedTuple

from hamrasan.protocol.auth_rules import NotAllowed, auth_types, check_auth
from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.errors import unavailable
from hamrasan.protocol.event import Event
from hamrasan.rooms.branches import BEFORE, branch_state
from hamrasan.rooms.decision import Decision
from hamrasan.rooms.known_events import Known, KnownEvents
from hamrasan.rooms.outliers import Outliers, side_event
from hamrasan.rooms.past import Past
from hamrasan.rooms.placing import Placing, Verdict
from hamrasan.rooms.policy_servers import POLICY
from hamrasan.rooms.redactions import MAX_PENDING_REDACTIONS, REDACTION, may_redact
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.resolution import Resolution
from hamrasan.rooms.room import Room
from hamrasan.rooms.seeding import Seeding, create_of, federating_version
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.federated_rooms import (
    OUTLIER,
    REJECTED,
    SOFT_FAILED,
    DropPendingRedaction,
    DropSideEvent,
    MoveEvent,
    PendingRedaction,
    PutFederatedRoom,
)
from hamrasan.storage.ports.journal import Batch, CommitFailed
from hamrasan.storage.ports.rooms import FORWARD, OUTSIDE, StoredEvent

MAX_ATTEMPTS = 50
"""Times that an event is judged anew because the room's state changed meanwhile; a room that does so all the time is
one that somebody floods."""
MAX_AWAITED = 1_000
"""Unknown events that a room keeps in mind because others follow them. Those forgotten would, if they came, count as
last events until something follows them: harmless, but one resolution more."""


class Outcome(Enum):
    """What became of an event that came in."""

    ACCEPTED = "accepted"
    SOFT_FAILED = "soft_failed"
    """Allowed where it was sent, but no longer: it is kept and nobody sees it (server-server API, "Soft failure")."""
    REJECTED = "rejected"
    KNOWN = "known"


class MissingEvents(Exception):
    """Events have to be fetched before this one can be judged."""

    def __init__(self, prev: Sequence[str], auth: Sequence[str]) -> None:
        super().__init__(f"{len(prev)} earlier events and {len(auth)} auth events are not known")
        self.prev = list(prev)
        """What it follows; if it cannot be had, the state before the event can be given instead."""
        self.auth = list(auth)
        """What it or others that were given cite as auth events: to be handed over by `add_outliers`."""


Judge = Callable[[Room, Event], Awaitable[Event | None]]
"""Returns an event, perhaps with one signature more; None if the room's policy server does not recommend it."""


class Received(NamedTuple):
    """What became of an event, and what ends when that is durable (None: it is)."""

    outcome: Outcome
    durable: asyncio.Future[None] | None


class Reception:
    """Takes in events of other servers; who hands them over has checked format, signatures and hashes.

    `Event.pdu` is the signed PDU; where its hash was wrong, the redacted one.
    """

    def __init__(self, registry: RoomRegistry) -> None:
        self._registry = registry
        self._journal = registry.journal
        self._known = KnownEvents(registry.events, registry.federated)
        branches = registry.branches
        resolution = Resolution(branches, self._known, registry.state, registry.federated)
        self._placing = Placing(branches, self._known, resolution, registry.clock)
        self._outliers = Outliers(registry, self._known)
        self._seeding = Seeding(registry, self._outliers)
        self._past = Past(registry, self._known)
        self._locks = KeyedLocks()
        self._judge: Judge | None = None

    async def add(
        self,
        room: Room,
        event: Event,
        *,
        forward: bool = False,
        state_before: Sequence[Event] | None = None,
    ) -> Outcome:
        """Take an event in; return what became of it once that is durable. See `submit`."""
        outcome, durable = await self.submit(room, event, forward=forward, state_before=state_before)
        if durable is not None:
            await durable
        return outcome

    async def submit(
        self,
        room: Room,
        event: Event,
        *,
        forward: bool = False,
        state_before: Sequence[Event] | None = None,
    ) -> Received:
        """Take an event in; return what became of it, and what ends when it is durable, or with `CommitFailed`.

        Whoever has several events for a room need not wait for each to become durable before the next one. `forward`:
        this server has to pass the event on. `state_before` counts only if the event follows something unknown: it is
        the state before it, as another server told it; its events are checked by their own auth events.

        Raises `MissingEvents`; `M_LIMIT_EXCEEDED` and 503 when the server is too busy.
        """
        flags = FORWARD if forward else 0
        recommended = True
        if POLICY in room.state and self._judge is not None:
            signed = await self._judge(room, event)
            event, recommended = signed or event, signed is not None
        received = await self._add_at_the_end(room, event, flags) if recommended else None
        if received is not None:
            return received
        async with self._locks(room.id):
            if state_before is not None:
                await self._outliers.add(room, state_before)
            return await self._add_anywhere(room, event, flags, state_before, recommended)

    def judge_with(self, judge: Judge) -> None:
        """Have what comes into rooms with a policy server judged by it; what it does not recommend is soft-failed."""
        self._judge = judge

    async def add_outliers(self, room: Room, events: Sequence[Event]) -> None:
        """Keep auth events that were fetched, in any order; each is checked by its own auth events.

        Raises `MissingEvents` for auth events that neither came along nor are known; the others are kept.
        """
        async with self._locks(room.id):
            missing = await self._outliers.add(room, events)
        if missing:
            raise MissingEvents((), missing)

    async def seed(
        self,
        room_id: str,
        version: str,
        state: Sequence[Event],
        auth_chain: Sequence[Event],
        joined: Event,
    ) -> Room:
        """Begin a room with the state that a resident server told when a user of this server joined it.

        `joined` is that user's membership. For a room that is known from earlier, the state is taken as it is told.
        Raises `NotAllowed` if it does not fit together, and what `submit` does.
        """
        async with self._locks(room_id):
            if not await self._registry.rooms.rooms([room_id]):
                return await self._seeding.seed(room_id, version, state, auth_chain, joined)
            room = await self._registry.get(room_id)
            create_of(room_id, federating_version(version), state)
            await self._outliers.add(room, [*auth_chain, *state])
            received = await self._come_back(room, joined, state)
        if received.durable is not None:
            await received.durable
        if received.outcome in (Outcome.REJECTED, Outcome.SOFT_FAILED):
            raise NotAllowed("3", "The room's rules do not allow the join.")
        return room

    async def _come_back(self, room: Room, joined: Event, state: Sequence[Event]) -> Received:
        """Take in a join to a room that is known from earlier.

        While nobody of this server was in it, the room went on unseen, and what another server tells is all there is.
        """
        if joined.sender.partition(":")[2] in room.servers:
            return await self._add_anywhere(room, joined, 0, state)
        for _ in range(MAX_ATTEMPTS):
            await self._journal.submit(Batch())
            known = await self._known.find(room.number, room.id, [joined.event_id])
            if self._is_known(known, joined.event_id):
                return Received(Outcome.KNOWN, None)
            head = room.head
            verdict = await self._placing.take_over(room, joined, self._journal.durable, state)
            if verdict.missing_auth:
                raise MissingEvents((), verdict.missing_auth)
            if not room.stale and room.head == head <= verdict.base:
                return self._carry_out(room, joined, 0, verdict, known, None)
        raise unavailable("The state of this room changes too fast; please try again later.")

    async def add_history(self, room: Room, events: Sequence[Event], *, lenient: bool = False) -> int:
        """Put older events, the newest first, before the oldest known one; return how many were added.

        Only what the events known follow, directly or not, is taken. Raises `MissingEvents` for auth events that are
        not known; if `lenient`, what cites them is left out instead, and the history goes on before it.
        """
        async with self._locks(room.id):
            missing, added = await self._past.add(room, events, lenient=lenient)
        if missing:
            raise MissingEvents((), missing)
        return added

    async def missing_history(self, room: Room) -> tuple[str, ...]:
        """Return the events for which others may be asked with /backfill; none if the room's beginning is known."""
        return room.missing

    # The usual case.

    async def _add_at_the_end(self, room: Room, event: Event, flags: int) -> Received | None:
        """Take in an event that follows all that is known and cites the current state; None if it does not."""
        if not _follows(room, event) or not _cites_current_state(room, event):
            return None
        moment = (room.extremities, room.state_head)
        if await self._registry.events.by_id(event.event_id) is not None:
            return None
        target = await self._redacted_by(room, event)
        if moment != (room.extremities, room.state_head):
            return None  # the room went on while this waited
        if event.event_id in room.awaited or (target is None and event.event_id in room.pending_redactions):
            return None
        decision = self._begin(room)
        try:
            # What it cites is what was accepted here, so the state before it, the current one and the one that its
            # auth events make are the same.
            check_auth(event, room, room.version, authorised_signed=True)
        except NotAllowed:
            return None
        try:
            stored = decision.receive(event, flags, redacted_by=self._redaction_of(room, event, target))
            self._redact(room, decision, stored, event, target)
        except BaseException:
            decision.undo()
            raise
        return Received(Outcome.ACCEPTED, decision.submit())

    def _begin(self, room: Room) -> Decision:
        return self._registry.begin(room)

    # All other cases.

    async def _add_anywhere(
        self,
        room: Room,
        event: Event,
        flags: int,
        state_before: Sequence[Event] | None,
        recommended: bool = True,
    ) -> Received:
        for _ in range(MAX_ATTEMPTS):
            await self._journal.submit(Batch())  # then everything that was decided before is durable
            base = self._journal.durable
            if room.stale:
                raise CommitFailed("an earlier event of the room could not be stored")
            known = await self._known.find(room.number, room.id, [event.event_id])
            if self._is_known(known, event.event_id) or event.event_id in known.strangers:
                return Received(Outcome.KNOWN, None)
            if room.state_head > base:
                continue
            moment = (room.state_head, room.extremities)
            target = await self._redacted_by(room, event)
            verdict = await self._placing.judge(room, event, base, state_before)
            if verdict.missing_prev or verdict.missing_auth:
                raise MissingEvents(verdict.missing_prev, verdict.missing_auth)
            if verdict.outcome is None and not recommended:
                verdict.outcome = SOFT_FAILED
            if not _is_still(room, moment, verdict):
                continue
            if target is None and _target_may_have_come(room, event):
                continue
            return self._carry_out(room, event, flags, verdict, known, target)
        raise unavailable("The state of this room changes too fast; please try again later.")

    def _is_known(self, known: Known, event_id: str) -> bool:
        """Return whether an event has a place in the room, or was refused one."""
        stored, side = known.stored.get(event_id), known.beside.get(event_id)
        if stored is not None:
            return stored.flags < OUTSIDE
        return side is not None and side.kind != OUTLIER

    def _carry_out(
        self,
        room: Room,
        event: Event,
        flags: int,
        verdict: Verdict,
        known: Known,
        target: StoredEvent | None,
    ) -> Received:
        """Write down what was judged. Synchronous, like every decision."""
        if verdict.outcome is not None:
            return self._keep_aside(room, event, verdict)
        decision = self._begin(room)
        try:
            promoted = {each.event_id: decision.put_outside(each) for each in verdict.promoted}
            stored = decision.receive(
                event,
                flags,
                verdict.extremities(room),
                is_current=verdict.is_current(event),
                redacted_by=self._redaction_of(room, event, target),
            )
            found = {**verdict.stored, **promoted}
            for key, event_id in verdict.flips(event):
                decision.flip(key, None if event_id is None else found[event_id], stored.position)
            self._note_branch(room, decision, stored, verdict)
            self._move_in(decision, stored, known, room)
            for each in verdict.promoted:
                if each.event_id not in verdict.rejected:
                    decision.batch.writes.append(DropSideEvent(each.event_id))
            self._redact(room, decision, stored, event, target)
        except BaseException:
            decision.undo()
            raise
        durable = decision.submit()
        verdict.take_over(room)
        self._registry.branches.forget(event.event_id)
        return Received(Outcome.ACCEPTED, durable)

    def _note_branch(self, room: Room, decision: Decision, stored: StoredEvent, verdict: Verdict) -> None:
        """Write down in what the event's place differs from that of the last in a list."""
        writes = decision.batch.writes
        # What was told before of the state after an event counts no more.
        if verdict.own_state or stored.event_id in room.awaited:
            writes.append(branch_state(stored.event_id, room.number, stored.position, verdict.own_state))
        writes += self._given_states(room, stored.event_id, verdict)
        if verdict.is_fork or verdict.awaited or verdict.flips_any:
            forked = room.forked or (stored.position if verdict.is_fork or verdict.awaited else 0)
            flipped = stored.position if verdict.flips_any else room.flipped
            others = (event_id for event_id in room.awaited if event_id != stored.event_id)
            awaited = (*others, *verdict.awaited)[-MAX_AWAITED:]
            verdict.facts = (forked, flipped, awaited)
            writes.append(
                PutFederatedRoom(
                    room.number,
                    room.seeded,
                    forked,
                    flipped,
                    encode_json(room.missing),
                    encode_json(awaited),
                )
            )

    def _given_states(self, room: Room, event_id: str, verdict: Verdict) -> list[tuple[object, ...]]:
        """Return the rows of states that were told: before the event, and so after the one that it follows."""
        rows: list[tuple[object, ...]] = []
        if verdict.is_told:
            rows.append(branch_state(BEFORE + event_id, room.number, verdict.base, verdict.before))
            if verdict.awaited and verdict.follows_one:
                rows.append(branch_state(verdict.awaited[0], room.number, verdict.base, verdict.before))
        return rows

    def _move_in(self, decision: Decision, stored: StoredEvent, known: Known, room: Room) -> None:
        """Give an event its place that was outside the timeline, or beside the room."""
        outside = known.stored.get(stored.event_id)
        if outside is not None and outside.state_key is not None:
            decision.batch.writes.append(
                MoveEvent(stored.position, room.number, stored.type, outside.state_key, outside.position)
            )
            if room.state_event_id((stored.type, outside.state_key)) == stored.event_id:
                room.put_moved(stored)
        if stored.event_id in known.beside:
            decision.batch.writes.append(DropSideEvent(stored.event_id))

    def _keep_aside(self, room: Room, event: Event, verdict: Verdict) -> Received:
        """Keep an event that nobody is shown, and the state after it, since others may follow it."""
        rejected = verdict.outcome == REJECTED
        kind = REJECTED if rejected else SOFT_FAILED
        batch = Batch([side_event(event, room, kind)])
        if verdict.has_state:
            batch.writes.append(branch_state(event.event_id, room.number, verdict.base, verdict.after))
            batch.writes += self._given_states(room, event.event_id, verdict)
        outcome = Outcome.REJECTED if rejected else Outcome.SOFT_FAILED
        return Received(outcome, self._journal.submit(batch))

    # Redactions ("Handling redactions" of each room version).

    async def _redacted_by(self, room: Room, event: Event) -> StoredEvent | None:
        """Return the event that an `m.room.redaction` names, or, for another event, the redaction that waits for it."""
        event_id = event.redacts if event.type == REDACTION else room.pending_redactions.get(event.event_id)
        if event_id is None:
            return None
        found = await self._registry.events.by_id(event_id)
        if found is None and room.head > self._journal.durable:  # it may be decided, and not durable yet
            await self._journal.submit(Batch())
            found = await self._registry.events.by_id(event_id)
        return found if found is not None and found.room == room.number else None

    def _redaction_of(self, room: Room, event: Event, other: StoredEvent | None) -> str | None:
        """Return the redaction that waits for an event, and takes its content away before anybody sees it."""
        if event.type == REDACTION or other is None or not may_redact(room, other, event):
            return None
        return other.event_id

    def _redact(
        self, room: Room, decision: Decision, stored: StoredEvent, event: Event, other: StoredEvent | None
    ) -> None:
        """Apply a redaction to its event, whichever of the two has come last."""
        if event.type == REDACTION:
            if other is not None:
                if other.redacted_by is None and may_redact(room, stored, other):
                    decision.redact(other, stored)
            elif event.redacts is not None and len(room.pending_redactions) < MAX_PENDING_REDACTIONS:
                decision.batch.writes.append(PendingRedaction(room.number, event.redacts, event.event_id))
                room.pending_redactions[event.redacts] = event.event_id
        elif stored.event_id in room.pending_redactions:
            decision.batch.writes.append(DropPendingRedaction(room.number, stored.event_id))
            del room.pending_redactions[stored.event_id]


def _target_may_have_come(room: Room, event: Event) -> bool:
    """Return whether a redaction and its event have come at the same moment."""
    return event.redacts in room.extremities or event.event_id in room.pending_redactions


def _follows(room: Room, event: Event) -> bool:
    """Return whether an event follows all that is known of the room."""
    previous, extremities = event.prev_events, room.extremities
    if len(previous) != len(extremities):
        return False
    return previous[0] == extremities[0] if len(previous) == 1 else set(previous) == set(extremities)


def _cites_current_state(room: Room, event: Event) -> bool:
    """Return whether the auth events are what the current state has, each once."""
    keys = auth_types(event.type, event.sender, event.state_key, event.content, room.version)
    current = [event_id for key in keys if (event_id := room.state_event_id(key)) is not None]
    return len(current) == len(event.auth_events) and set(current) == set(event.auth_events)


def _is_still(room: Room, moment: tuple[int, tuple[str, ...]], verdict: Verdict) -> bool:
    """Return whether the room is, as far as it matters, as it was when an event was judged.

    A local message may have come meanwhile: after it the state is the same, but it is the only last event.
    """
    state_head, extremities = moment
    if room.stale or room.state_head != state_head:
        return False
    return room.extremities == extremities or verdict.holds_after_messages(room, extremities)
