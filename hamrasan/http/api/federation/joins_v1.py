"""Templates for joins (server-server API, "Joining Rooms")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.servers import origin_of
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import encode_json

BEFORE_VERSIONS = ["1"]
"""What a server knows that does not say what it knows (`GET /make_join`)."""


async def make_join(request: Request, services: Services) -> Response:
    """Return an event by which a user of the other server could join."""
    path, versions = request.path, request.query.all("ver") or BEFORE_VERSIONS
    found = await services.serve_handshakes.template(
        origin_of(request), path["room_id"], path["user_id"], "join", versions
    )
    return json_bytes(encode_json(found))


ROUTES = [
    Route(
        "GET",
        "/_matrix/federation/v1/make_join/{room_id}/{user_id}",
        make_join,
        "makeJoin",
        Auth.SERVER,
        RateClass.FEDERATION,
    ),
]
