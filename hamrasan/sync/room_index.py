"""What is kept in memory of every room of the server, in some twenty bytes each: enough to sort and filter any user's
rooms without loading one, and to know at once what an active user may have missed.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.storage.ports.federated_rooms import StateFlipped
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.storage.ports.room_index import RoomIndexReader
from hamrasan.storage.ports.rooms import RoomEvents, StoredEvent
from hamrasan.storage.ports.user_data import ReceiptChanged

PAGE = 5_000
"""Rooms read at once, by a reader thread: some ten milliseconds of it."""


class RoomIndex:
    """Knows the last positions of rooms, their type, and whether they are encrypted."""

    def __init__(self, journal: Journal, reader: RoomIndexReader) -> None:
        self._reader = reader
        # Number 0 stands for every room that is known from outside only (`ports.invitations.NO_ROOM`).
        self._events = array("q", [0])
        self._receipts = array("q", [0])
        self._encrypted = bytearray(1)
        self._types: dict[int, str] = {}
        self._loading: asyncio.Task[None] | None = None
        journal.listen(RoomEvents, self._room_events)
        journal.listen(StateFlipped, self._state_flipped)
        journal.listen(ReceiptChanged, self._receipt_changed)

    async def load(self) -> None:
        """Read what the store has, once; whoever comes meanwhile waits for it. Before, nothing may be asked."""
        if self._loading is None or (self._loading.done() and self._loading.exception() is not None):
            self._loading = asyncio.ensure_future(self._load())
        if not self._loading.done():
            await asyncio.shield(self._loading)

    def events(self, room: int) -> Position:
        """Return the position of a room's last event."""
        return self._events[room]

    def receipts(self, room: int) -> Position:
        """Return the position of the last change of any receipt in a room."""
        return self._receipts[room]

    def is_encrypted(self, room: int) -> bool:
        """Return whether a room is encrypted."""
        return bool(self._encrypted[room])

    def type_of(self, room: int) -> str | None:
        """Return the type that a room was made with ("Types")."""
        return self._types.get(room)

    async def _load(self) -> None:
        after = 0
        while rows := await self._reader.page(after, PAGE):
            after = rows[-1].room
            self._reach(after)
            for room, events, receipts, create, is_encrypted in rows:
                # What was committed meanwhile is here already, and later.
                self._events[room] = max(self._events[room], events)
                self._receipts[room] = max(self._receipts[room], receipts)
                if is_encrypted:
                    self._encrypted[room] = 1
                if create is not None and b'"type"' in create:
                    self._put_type(room, create)

    def _reach(self, room: int) -> None:
        """Have a place for every room up to a number."""
        missing = room + 1 - len(self._events)
        if missing > 0:
            self._events.extend([0] * missing)
            self._receipts.extend([0] * missing)
            self._encrypted.extend(bytes(missing))

    def _put_type(self, room: int, create: bytes) -> None:
        kind = parse_json(create).get("type")
        if isinstance(kind, str):
            self._types[room] = kind

    def _receipt_changed(self, change: ReceiptChanged) -> None:
        self._reach(change.room)
        self._receipts[change.room] = change.position

    def _room_events(self, change: RoomEvents) -> None:
        last = change.events[-1]
        if last.room >= len(self._events):
            self._reach(last.room)
        self._events[last.room] = last.position
        self._note_state(change.events)

    def _state_flipped(self, change: StateFlipped) -> None:
        self._reach(change.room)
        self._note_state(change.events)

    def _note_state(self, events: Sequence[StoredEvent]) -> None:
        for stored in events:
            if stored.state_key == "":
                if stored.type == "m.room.encryption":
                    self._encrypted[stored.room] = 1
                elif stored.type == "m.room.create":
                    self._put_type(stored.room, stored.content)
