"""A space and what is right below it (server-server API, "Spaces")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.servers import origin_of
from hamrasan.http.services import Services


async def get_hierarchy(request: Request, services: Services) -> Response:
    """Return a room, and those rooms in it that users of the other server could come or look into."""
    suggested_only = request.query.boolean("suggested_only")
    server = origin_of(request)
    async with services.long_answers.turn(server):
        return ok(await services.server_spaces.of(server, request.path["room_id"], suggested_only))


ROUTES = [
    Route(
        "GET",
        "/_matrix/federation/v1/hierarchy/{room_id}",
        get_hierarchy,
        "federation:getSpaceHierarchy",
        Auth.SERVER,
        RateClass.FEDERATION,
    ),
]
