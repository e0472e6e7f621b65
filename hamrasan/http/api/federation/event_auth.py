"""What authorises an event (server-server API, "Retrieving event authorization information")."""

from __future__ import annotations

from hamrasan.http.event_answers import answer_with_events, in_turn
from hamrasan.http.request import Request
from hamrasan.http.response import StreamResponse
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.servers import origin_of
from hamrasan.http.services import Services


async def get_event_auth(request: Request, services: Services) -> StreamResponse:
    """Return the whole auth chain of an event."""
    return await in_turn(services.long_answers, origin_of(request), lambda: _event_auth(request, services))


async def _event_auth(request: Request, services: Services) -> StreamResponse:
    room = await services.server_access.resident(request.path["room_id"], origin_of(request))
    chain = await services.served_events.auth_chain(room, request.parameter("event_id"))
    return answer_with_events(services.served_events, {}, {"auth_chain": chain})


ROUTES = [
    Route(
        "GET",
        "/_matrix/federation/v1/event_auth/{room_id}/{event_id}",
        get_event_auth,
        "getEventAuth",
        Auth.SERVER,
        RateClass.FEDERATION,
    ),
]
