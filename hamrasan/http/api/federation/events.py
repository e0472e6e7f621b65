"""Events and states (server-server API, "Retrieving events")."""

from __future__ import annotations

from hamrasan.http.event_answers import answer_with_events, in_turn, transaction_with
from hamrasan.http.request import Request
from hamrasan.http.response import Response, StreamResponse, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.servers import origin_of
from hamrasan.http.services import Services
from hamrasan.protocol.errors import missing_param


async def get_event(request: Request, services: Services) -> Response:
    """Return one event."""
    pdu = await services.served_events.event(origin_of(request), request.parameter("event_id"))
    return transaction_with(services, [pdu])


async def get_state(request: Request, services: Services) -> StreamResponse:
    """Return the state before an event, and all that authorises it."""
    return await in_turn(services.long_answers, origin_of(request), lambda: _state(request, services))


async def _state(request: Request, services: Services) -> StreamResponse:
    room = await services.server_access.resident(request.path["room_id"], origin_of(request))
    found = await services.served_events.state_before(room, request.query.required("event_id"))
    return answer_with_events(
        services.served_events, {}, {"pdus": found.state, "auth_chain": found.auth_chain}
    )


async def get_state_ids(request: Request, services: Services) -> Response:
    """Return the ids of the events that `get_state` returns."""
    server = origin_of(request)
    async with services.long_answers.turn(server):
        room = await services.server_access.resident(request.path["room_id"], server)
        found = await services.served_events.state_before(room, request.query.required("event_id"))
    return ok({"pdu_ids": found.state, "auth_chain_ids": found.auth_chain})


async def get_event_by_timestamp(request: Request, services: Services) -> Response:
    """Return the id of the event nearest to `ts`, at or before it (`dir=b`) or at or after it (`dir=f`)."""
    direction, ts = request.query.choice("dir", ("b", "f")), request.query.integer("ts")
    if direction is None or ts is None:
        raise missing_param("dir" if direction is None else "ts")
    server = origin_of(request)
    room = await services.server_access.resident(request.path["room_id"], server)
    found = await services.served_events.nearest(room, server, ts, backwards=direction == "b")
    return ok({"event_id": found.event_id, "origin_server_ts": found.origin_server_ts})


_V1 = "/_matrix/federation/v1"
_SERVER = Auth.SERVER

ROUTES = [
    Route("GET", _V1 + "/event/{event_id}", get_event, "getEvent", _SERVER, RateClass.FEDERATION),
    Route(
        "GET", _V1 + "/state/{room_id}", get_state, "federation:getRoomState", _SERVER, RateClass.FEDERATION
    ),
    Route(
        "GET", _V1 + "/state_ids/{room_id}", get_state_ids, "getRoomStateIds", _SERVER, RateClass.FEDERATION
    ),
    Route(
        "GET",
        _V1 + "/timestamp_to_event/{room_id}",
        get_event_by_timestamp,
        "federation:getEventByTimestamp",
        _SERVER,
        RateClass.FEDERATION,
    ),
]
