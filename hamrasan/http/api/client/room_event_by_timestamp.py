"""The event nearest to a point in time (client-server API, `GET /rooms/{roomId}/timestamp_to_event`)."""

from __future__ import annotations

from hamrasan.http.event_lists import reader_of
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError, missing_param
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.rooms import StoredEvent

FIRST = -(2**62)
"""A position before every other."""


async def get_event_by_timestamp(request: Request, services: Services) -> Response:
    """Return the id of the event nearest to `ts`, at or before it (`dir=b`) or at or after it (`dir=f`)."""
    direction, ts = request.query.choice("dir", ("b", "f")), request.query.integer("ts")
    if direction is None or ts is None:
        raise missing_param("dir" if direction is None else "ts")
    readable = await services.access.readable(request.path["room_id"], request.requester.user_id)
    reader = await reader_of(request, services, readable.room)
    backwards = direction == "b"
    try:
        found = await services.timeline.nearest(readable, reader, ts, backwards=backwards)
    except MatrixError:
        if not backwards or await services.backfill.to_time(readable.room, ts, backwards=True) is None:
            raise
        found = await services.timeline.nearest(readable, reader, ts, backwards=True)
    else:
        if not backwards and await _may_be_older(services, readable.room, found):
            await services.backfill.to_time(readable.room, ts, backwards=False)
            found = await services.timeline.nearest(readable, reader, ts, backwards=False)
    return ok({"event_id": found.event_id, "origin_server_ts": found.origin_server_ts})


async def _may_be_older(services: Services, room: Room, found: StoredEvent) -> bool:
    """Return whether what other servers have of a room may be nearer than the first event that is here."""
    if services.backfill.is_complete(room):
        return False
    first = await services.registry.events.page(room.number, FIRST, room.durable_head, 1, backwards=False)
    return bool(first) and first[0].position == found.position


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v1/rooms/{room_id}/timestamp_to_event",
        get_event_by_timestamp,
        "getEventByTimestamp",
        Auth.USER,
        RateClass.READS,
    ),
]
