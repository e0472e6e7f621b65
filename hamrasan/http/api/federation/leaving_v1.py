"""Templates for leaving (server-server API, "Leaving Rooms (Rejecting Invites)")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.servers import origin_of
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import encode_json


async def make_leave(request: Request, services: Services) -> Response:
    """Return an event by which a user of the other server could leave, or turn an invite down."""
    path = request.path
    found = await services.serve_handshakes.template(
        origin_of(request), path["room_id"], path["user_id"], "leave"
    )
    return json_bytes(encode_json(found))


ROUTES = [
    Route(
        "GET",
        "/_matrix/federation/v1/make_leave/{room_id}/{user_id}",
        make_leave,
        "makeLeave",
        Auth.SERVER,
        RateClass.FEDERATION,
    ),
]
