"""What endpoints that answer with events share: who reads, the filter of a page, and lists of any length.

Long lists (the members of a large room) are rendered in slices and sent while they are made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import orjson

from hamrasan.http.request import Request
from hamrasan.http.response import Answer, StreamResponse, json_bytes
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError, invalid_param
from hamrasan.protocol.filters import RoomEventFilter, parse_room_event_filter
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline import EVERYTHING
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.runtime.slices import give_way

SLICE = 64
"""Events rendered at once: about a millisecond, then others have their turn."""
WHOLE = 512
"""Events up to which an answer is made as a whole; longer ones are sent in pieces, so that they are never in memory."""


async def reader_of(request: Request, services: Services, room: Room) -> Reader:
    """Return the requester as a reader of `room`."""
    requester = request.requester
    return await services.timeline.reader(room, requester.user_id, requester.device_id)


def room_event_filter(request: Request) -> RoomEventFilter:
    """Return the parameter `filter`, a `RoomEventFilter` as JSON.

    Raises `M_INVALID_PARAM` if it is not JSON, `M_BAD_JSON` if it is not of the right form.
    """
    text = request.query.one("filter")
    if not text:
        return EVERYTHING
    try:
        value = parse_json(text.encode())
    except MatrixError as error:
        raise invalid_param(f"The parameter 'filter': {error.message}") from None
    return parse_room_event_filter(value)


async def rendered(
    services: Services, room: Room, events: Sequence[TimelineEvent], reader: Reader
) -> orjson.Fragment:
    """Return a JSON array of `events` in the form for clients."""
    return orjson.Fragment(b"".join([part async for part in _pieces(services, room, events, reader)]))


async def event_list(
    services: Services,
    room: Room,
    events: Sequence[TimelineEvent],
    reader: Reader,
    *,
    before: bytes = b"",
    after: bytes = b"",
) -> Answer:
    """Return an answer that is a JSON array of `events`, between `before` and `after`."""

    async def body() -> AsyncIterator[bytes]:
        yield before
        async for piece in _pieces(services, room, events, reader):
            yield piece
        yield after

    if len(events) > WHOLE:
        return StreamResponse(200, body())
    return json_bytes(b"".join([piece async for piece in body()]))


async def _pieces(
    services: Services, room: Room, events: Sequence[TimelineEvent], reader: Reader
) -> AsyncIterator[bytes]:
    yield b"["
    for start in range(0, len(events), SLICE):
        if start:
            await give_way()
        part = b",".join(await services.renderer.render(room, events[start : start + SLICE], reader))
        yield b"," + part if start else part
    yield b"]"
