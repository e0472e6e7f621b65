"""The event nearest to a point in time (client-server API, `GET /rooms/{roomId}/timestamp_to_event`)."""

from __future__ import annotations

from hamrasan.http.event_lists import reader_of
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import missing_param


async def get_event_by_timestamp(request: Request, services: Services) -> Response:
    """Return the id of the event nearest to `ts`, at or before it (`dir=b`) or at or after it (`dir=f`)."""
    direction, ts = request.query.choice("dir", ("b", "f")), request.query.integer("ts")
    if direction is None or ts is None:
        raise missing_param("dir" if direction is None else "ts")
    readable = await services.access.readable(request.path["room_id"], request.requester.user_id)
    reader = await reader_of(request, services, readable.room)
    found = await services.timeline.nearest(readable, reader, ts, backwards=direction == "b")
    return ok({"event_id": found.event_id, "origin_server_ts": found.origin_server_ts})


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
