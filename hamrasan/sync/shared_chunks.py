"""Timeline chunks that all waiting members of a room get alike, written once.

A message in a room wakes its members with the same news; only the counts, and the sender's transaction id, differ.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from hamrasan.rooms.rendering import Reader, Renderer
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.rooms.tokens import page_token
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.journal import Position

MAX_CHUNKS = 1_024
"""Rooms whose last chunk is kept; a chunk is used within a moment or never."""
MAX_AGE_MS = 250
"""How much the `age` in a chunk may be off for its last reader."""


class SharedChunks:
    """Keeps each room's last chunk."""

    def __init__(self, renderer: Renderer, clock: Clock) -> None:
        self._renderer = renderer
        self._clock = clock
        self._chunks: OrderedDict[str, tuple[Position, Position, int, bytes]] = OrderedDict()

    def chunk(self, room: Room, events: Sequence[TimelineEvent], reader: Reader) -> bytes | None:
        """Return `"timeline":{...}` for `events`, None if some of them need more than memory knows.

        The reader must have been in the room at all of them, and `events` must hold everything since their token.
        """
        sent_by_reader = False
        for event in events:
            if not self._renderer.is_plain(room, event):
                return None
            sent_by_reader = sent_by_reader or event.stored.txn_device == reader.device_id
        now = self._clock.now_ms()
        if sent_by_reader:
            return _write(events, [self._renderer.plain(event, now, reader) for event in events])
        first, last = events[0].stored.position, events[-1].stored.position
        known = self._chunks.get(room.id)
        if known is not None and known[0] == first and known[1] == last and now - known[2] <= MAX_AGE_MS:
            return known[3]
        chunk = _write(events, [self._renderer.plain(event, now, reader) for event in events])
        self._chunks[room.id] = (first, last, now, chunk)
        if len(self._chunks) > MAX_CHUNKS:
            self._chunks.popitem(last=False)
        return chunk


def _write(events: Sequence[TimelineEvent], rendered: Sequence[bytes]) -> bytes:
    return b'"timeline":{"events":[%b],"limited":false,"prev_batch":"%b"}' % (
        b",".join(rendered),
        page_token(events[0].stored.position - 1).encode(),
    )
