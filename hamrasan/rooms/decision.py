"""Deciding on new events: the rules, the event, its id and the batch, in one synchronous stretch.

A `Decision` may hold several events (a new room's first ones): they are accepted together or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from hamrasan.protocol.auth_rules import NotAllowed, auth_types, check_auth
from hamrasan.protocol.canonical_json import compact, encode_canonical, parse_json
from hamrasan.protocol.errors import forbidden, too_large, unavailable
from hamrasan.protocol.event import Event, StateKey
from hamrasan.protocol.event_format import build_pdu, max_depth
from hamrasan.protocol.hashing import (
    check_content_hash,
    encode_event,
    seal,
    seal_message,
    seals_as_message,
)
from hamrasan.protocol.limits import MAX_EVENT_BYTES, MAX_STATE_KEY_BYTES, MAX_TYPE_BYTES
from hamrasan.protocol.push_rules.classify import EventNotice, classify
from hamrasan.protocol.relations import relation_of
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.redactions import redacted
from hamrasan.rooms.room import Member, Room
from hamrasan.storage.ports.federated_rooms import (
    AddExtremity,
    DropExtremities,
    DropMembership,
    OutsideEvent,
    StateFlipped,
)
from hamrasan.storage.ports.journal import Batch, CommitFailed, Journal, Position
from hamrasan.storage.ports.rooms import (
    ALTERED,
    INVITES,
    MENTIONS_ROOM,
    MENTIONS_SOMEONE,
    NOTIFIES,
    OUTSIDE,
    PutMembership,
    RedactEvent,
    RoomEvents,
    StateVersion,
    StoredEvent,
    ThreadActivity,
)

_COLUMNS = ("content", "type", "sender", "state_key", "room_id", "origin_server_ts", "depth")
"""Members of a PDU that have a column of their own; the rest is kept as the envelope."""

_NO_PDU: Mapping[str, Any] = {}
"""The rules look into the PDU of create events only."""

COLUMN_BYTES = 1_536
"""Most bytes of an event beside content and envelope: five identifiers of at most 255 bytes, numbers, names."""
SIGNATURE_BYTES = 640
"""Most bytes that this server's signature will add: its name, the key's id and 86 characters."""


class EventRedacted:
    """Feed: an event lost its content."""

    __slots__ = ("redacted", "room_id")

    def __init__(self, room_id: str, redacted: StoredEvent) -> None:
        self.room_id = room_id
        self.redacted = redacted


class Decision:
    """Events for one room that become durable together. Use it without any `await` between making and submitting.

    With `after`, a complete decision on another room, the two are one: submitting, or undoing, this one does both.
    """

    def __init__(self, room: Room, journal: Journal, now_ms: int, after: Decision | None = None) -> None:
        if room.stale:
            raise CommitFailed("an earlier event of the room could not be stored")
        self._room = room
        self._journal = journal
        self._now_ms = now_ms
        self._sent_ms = now_ms
        """What the event that is being built says of when it was sent."""
        self._after = after
        self._first: Position = journal.next_position if after is None else after.end
        self._next: Position = self._first
        self._events: list[StoredEvent] = []
        self._flips: dict[StateKey, StoredEvent | None] | None = None
        """What became state, or (None) is no state any more, without being sent now."""
        self._undo: list[Callable[[], None]] = []
        self.batch = Batch()

    @property
    def _start(self) -> Position:
        """The position of the first event, of this decision or of the one before it."""
        return self._first if self._after is None else self._after._start

    @property
    def end(self) -> Position:
        """The position after the last event that was accepted."""
        return self._next

    def add(self, new: NewEvent) -> StoredEvent:
        """Accept `new` after what was accepted before, or raise `NotAllowed` or `M_TOO_LARGE` and change nothing."""
        try:
            stored = self._build(new)
        except BaseException:
            self.undo()
            raise
        self._apply(stored, new.content)
        txn, transactions = new.txn, self._room.transactions
        if txn is not None and transactions is not None:
            transactions.note(new.sender, txn)
            self._undo.append(lambda: transactions.forget(new.sender, txn))
        if new.redacts is not None:
            self.redact(new.redacts, stored)
        return stored

    def receive(
        self,
        event: Event,
        flags: int = 0,
        extremities: Mapping[str, int] | None = None,
        *,
        is_current: bool = True,
        redacted_by: str | None = None,
    ) -> StoredEvent:
        """Accept an event of another server, which the caller has judged by everything that the rules say.

        `extremities` are those after it, with their depths; without, it is the only one. `is_current` says whether it
        is, if it is a state event, the state from now on. `redacted_by` is the redaction that came before the event.
        """
        room = self._room
        stored = stored_event(event, room, self._next, flags | self._flags_of(event))
        if redacted_by is not None:
            stored = redacted(stored, redacted_by, room.version)
        self._apply(stored, event.content, is_current=is_current)
        if extremities is not None and tuple(extremities) != room.extremities:
            room.extremities, room.depth, room.listed = (
                tuple(extremities),
                max(extremities.values()),
                True,
            )
            self.batch.writes += [AddExtremity(room.number, id_, depth) for id_, depth in extremities.items()]
        return stored

    def put_outside(self, event: Event) -> StoredEvent:
        """Put an event into the room that is in no timeline; it takes a position like every other."""
        room = self._room
        stored = stored_event(event, room, self._next, OUTSIDE)
        self._next += 1
        self.batch.writes.append(OutsideEvent._make(stored))
        return stored

    def flip(self, key: StateKey, stored: StoredEvent | None, position: Position) -> None:
        """Make an event that is in the room already, or none, the state under `key` from `position` on."""
        room, writes = self._room, self.batch.writes
        before = room.state_head
        self._undo.append(lambda: setattr(room, "state_head", before))
        room.state_head = position
        where = 0 if stored is None else stored.position
        writes.append(StateVersion(room.number, *key, position, where))
        if key[0] == "m.room.member":
            self._flip_member(key[1], stored, position)
        else:
            entry = room.state.get(key)
            self._undo.append(lambda: room.restore_state(key, entry))
            if stored is None:
                room.restore_state(key, None)
            else:
                room.put_state(stored)
        if self._flips is None:
            self._flips = {}
        self._flips[key] = stored

    def _flip_member(self, user_id: str, stored: StoredEvent | None, position: Position) -> None:
        room, writes = self._room, self.batch.writes
        member, placed = room.members.get(user_id), room.placed.get(user_id)
        self._undo.append(lambda: room.put_member(user_id, member, placed))
        if stored is None:
            room.put_member(user_id, None)
            writes.append(DropMembership(room.number, user_id))
            return
        membership = str(parse_json(stored.content)["membership"])
        room.put_member(
            user_id,
            Member(membership, position, stored.event_id),
            None if stored.position == position else stored.position,
        )
        writes.append(
            PutMembership(
                room.number, user_id, membership, position, stored.event_id, stored.sender, position
            )
        )

    def undo(self) -> None:
        """Take everything back that was accepted since the decision began."""
        for step in reversed(self._undo):
            step()
        self._undo.clear()
        self._events.clear()
        self._next = self._first
        if self._after is not None:
            self._after.undo()

    def submit(self) -> asyncio.Future[None]:
        """Hand the batch to the journal; the future ends when it is durable, or with `CommitFailed`."""
        try:
            if self._start != self._journal.next_position:
                raise RuntimeError("something was submitted while a decision was being made")
            submitted = self._journal.submit(self._complete())
        except BaseException:
            self.undo()
            raise
        self._settle()
        return submitted

    def _settle(self) -> None:
        """Give up the steps of undoing: they refer to this decision, and only the garbage collector would free it."""
        self._undo.clear()
        if self._after is not None:
            self._after._settle()

    def _complete(self) -> Batch:
        """Return the batch with everything that belongs to it."""
        batch = self.batch
        batch.positions = self._next - self._first
        batch.feed.insert(0, RoomEvents(self._room.id, self._events))
        if self._flips is not None:
            batch.feed.append(self._flipped(self._flips))
        if self._after is not None:
            before = self._after._complete()
            batch.positions += before.positions
            batch.writes[:0] = before.writes
            batch.feed[:0] = before.feed
        return batch

    def _flipped(self, flips: Mapping[StateKey, StoredEvent | None]) -> StateFlipped:
        room = self._room
        events = [stored for stored in flips.values() if stored is not None]
        gone = [key for key, stored in flips.items() if stored is None]
        return StateFlipped(room.id, room.number, room.state_head, events, gone)

    def _build(self, new: NewEvent) -> StoredEvent:
        room = self._room
        self._sent_ms = self._now_ms if new.origin_server_ts is None else new.origin_server_ts
        auth_events = self._auth_events(new)
        if new.redacts is None and seals_as_message(new.type, new.state_key, room.version):
            content, envelope, event_id = self._seal_message(new, auth_events)
        else:
            content, envelope, event_id = self._seal(new, auth_events)
        if new.signed is not None:
            if new.signed.event_id != event_id:
                raise unavailable("The room went on while the event was judged; please try again.")
            envelope = encode_canonical({**parse_json(envelope), "signatures": new.signed.signatures})
        _check_size(new, len(content) + len(envelope))
        relation = relation_of(new.content)
        return StoredEvent(
            position=self.end,
            room=room.number,
            event_id=event_id,
            type=new.type,
            state_key=new.state_key,
            sender=new.sender,
            origin_server_ts=self._sent_ms,
            depth=self._depth,
            content=content,
            envelope=envelope,
            replaces=0 if new.state_key is None else room.state_position((new.type, new.state_key)),
            flags=self._flags(classify(new.type, new.state_key, new.content, new.sender), new.sender),
            relates_to=None if relation is None else relation.event_id,
            rel_type=None if relation is None else relation.rel_type,
            txn_device=None if new.txn is None else new.txn.device_id,
            txn_id=None if new.txn is None else new.txn.txn_id,
        )

    @property
    def _depth(self) -> int:
        return min(self._room.depth + 1, max_depth(self._room.version))

    def _auth_events(self, new: NewEvent) -> list[str]:
        room = self._room
        keys = auth_types(new.type, new.sender, new.state_key, new.content, room.version)
        return [event_id for key in keys if (event_id := room.state_event_id(key)) is not None]

    def _check(self, new: NewEvent, auth_events: list[str], pdu: Mapping[str, Any]) -> None:
        """Raise `NotAllowed` if the room's rules do not take the event."""
        room = self._room
        event = Event(
            event_id="",
            room_id=room.id,
            type=new.type,
            sender=new.sender,
            state_key=new.state_key,
            content=new.content,
            origin_server_ts=self._sent_ms,
            depth=self._depth,
            prev_events=room.extremities,
            auth_events=auth_events,
            redacts=None if new.redacts is None else new.redacts.event_id,
            pdu=pdu,
        )
        check_auth(event, room, room.version, authorised_signed=new.authorised)
        if new.redacts is not None:
            self._check_redaction(new, new.redacts)

    def _seal(self, new: NewEvent, auth_events: list[str]) -> tuple[bytes, bytes, str]:
        """Return content, envelope and id of an event that the rules take."""
        room = self._room
        hashed_id = room.version.authorization.room_id_is_create_hash
        pdu = build_pdu(
            room.version,
            room_id=None if new.type == "m.room.create" and hashed_id else room.id,
            type=new.type,
            sender=new.sender,
            content=new.content,
            state_key=new.state_key,
            origin_server_ts=self._sent_ms,
            depth=self._depth,
            prev_events=list(room.extremities),
            auth_events=auth_events,
            redacts=None if new.redacts is None else new.redacts.event_id,
        )
        self._check(new, auth_events, pdu)
        event_id = seal(pdu, room.version)
        envelope = {key: pdu[key] for key in pdu if key not in _COLUMNS}
        return compact(encode_canonical(pdu["content"])), compact(encode_canonical(envelope)), event_id

    def _seal_message(self, new: NewEvent, auth_events: list[str]) -> tuple[bytes, bytes, str]:
        """Do what `_seal` does, for a message."""
        room = self._room
        self._check(new, auth_events, _NO_PDU)
        content = compact(encode_canonical(new.content))
        event_id, envelope = seal_message(
            room.version,
            room_id=room.id,
            type=new.type,
            sender=new.sender,
            content=content,
            origin_server_ts=self._sent_ms,
            depth=self._depth,
            prev_events=room.extremities,
            auth_events=auth_events,
        )
        return content, envelope, event_id

    def _check_redaction(self, new: NewEvent, target: StoredEvent) -> None:
        """Refuse a redaction that would be accepted but have no effect (room version 3, "Handling redactions")."""
        levels = self._room.power_levels
        if target.room != self._room.number:
            raise forbidden("The event to redact is in another room.")
        if target.type == "m.room.create":
            raise forbidden("The event that created the room cannot be redacted.")
        if target.sender != new.sender and levels.of(new.sender) < levels.redact:
            raise forbidden("You may redact only your own events in this room.")

    def _flags(self, notice: EventNotice, sender: str) -> int:
        flags = NOTIFIES if notice.notifies else 0
        if notice.mentions:
            flags |= MENTIONS_SOMEONE
        if notice.invites is not None:
            flags |= INVITES
        if notice.highlights_room and (not notice.needs_room_power or self._may_mention_room(sender)):
            flags |= MENTIONS_ROOM
        return flags

    def _may_mention_room(self, sender: str) -> bool:
        levels = self._room.power_levels
        try:
            return levels.of(sender) >= levels.notification("room")
        except NotAllowed:  # a level that cannot be read, in a room of an older version
            return False

    def _flags_of(self, event: Event) -> int:
        return self._flags(classify(event.type, event.state_key, event.content, event.sender), event.sender)

    def _apply(self, stored: StoredEvent, content: Mapping[str, Any], *, is_current: bool = True) -> None:
        room, writes = self._room, self.batch.writes
        self._events.append(stored)
        self._next += 1
        writes.append(stored)
        before = (room.head, room.depth, room.extremities, room.listed)
        self._undo.append(lambda: self._restore(before))
        room.head, room.depth, room.extremities = stored.position, stored.depth, (stored.event_id,)
        if room.listed:
            room.listed = False
            writes.append(DropExtremities(room.number))
        if stored.state_key is not None:
            if is_current:
                self._apply_state(stored, content, stored.state_key)
        elif stored.rel_type == "m.thread" and stored.relates_to is not None:
            writes.append(ThreadActivity(room.number, stored.relates_to, stored.position))

    def _apply_state(self, stored: StoredEvent, content: Mapping[str, Any], state_key: str) -> None:
        room, writes = self._room, self.batch.writes
        state_head = room.state_head
        self._undo.append(lambda: setattr(room, "state_head", state_head))
        room.state_head = stored.position
        writes.append(StateVersion(room.number, stored.type, state_key, stored.position, stored.position))
        if stored.type != "m.room.member":
            key = (stored.type, state_key)
            entry = room.state.get(key)
            self._undo.append(lambda: room.restore_state(key, entry))
            room.put_state(stored)
            return
        member, placed = room.members.get(state_key), room.placed.get(state_key)
        self._undo.append(lambda: room.put_member(state_key, member, placed))
        membership = content["membership"]
        room.put_member(state_key, Member(membership, stored.position, stored.event_id))
        writes.append(
            PutMembership(
                room.number,
                state_key,
                membership,
                stored.position,
                stored.event_id,
                stored.sender,
                stored.position,
            )
        )

    def redact(self, target: StoredEvent, redaction: StoredEvent) -> None:
        """Take the content of an event away, as the accepted event `redaction` says."""
        stripped = redacted(target, redaction.event_id, self._room.version)
        self.batch.writes.append(RedactEvent(stripped.content, redaction.event_id, target.position))
        self.batch.feed.append(EventRedacted(self._room.id, stripped))

    def _restore(self, before: tuple[int, int, tuple[str, ...], bool]) -> None:
        room = self._room
        room.head, room.depth, room.extremities, room.listed = before


def stored_event(event: Event, room: Room, position: Position, flags: int) -> StoredEvent:
    """Return an event of another server as it is kept; what its server says beside the event (`unsigned`) is not."""
    version = room.version
    pdu = event.pdu
    envelope = {key: pdu[key] for key in pdu if key not in _COLUMNS and key != "unsigned"}
    relation = relation_of(event.content)
    key = event.key
    is_state_already = key is not None and room.state_event_id(key) == event.event_id
    return StoredEvent(
        position=position,
        room=room.number,
        event_id=event.event_id,
        type=event.type,
        state_key=event.state_key,
        sender=event.sender,
        origin_server_ts=event.origin_server_ts,
        depth=event.depth,
        content=compact(encode_event(event.content, version)),
        envelope=compact(encode_event(envelope, version)),
        replaces=0 if key is None or is_state_already else room.state_position(key),
        flags=flags,
        relates_to=None if relation is None else relation.event_id,
        rel_type=None if relation is None else relation.rel_type,
        txn_device=None,
        txn_id=None,
        redacted_by=None if check_content_hash(pdu, version) else ALTERED,
    )


def _check_size(new: NewEvent, size: int) -> None:
    """Raise `M_TOO_LARGE` for what could not be sent to other servers (client-server API, "Size limits").

    The room for identifiers and the signature is taken at its most, so that an event is never refused later.
    """
    if size > MAX_EVENT_BYTES - COLUMN_BYTES - SIGNATURE_BYTES:
        raise too_large(f"An event has at most {MAX_EVENT_BYTES} bytes.")
    if len(new.type.encode()) > MAX_TYPE_BYTES:
        raise too_large(f"The type of an event has at most {MAX_TYPE_BYTES} bytes.")
    if new.state_key is not None and len(new.state_key.encode()) > MAX_STATE_KEY_BYTES:
        raise too_large(f"The state key of an event has at most {MAX_STATE_KEY_BYTES} bytes.")
