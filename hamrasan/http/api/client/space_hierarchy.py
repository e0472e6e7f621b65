"""The tree of rooms below a space (client-server API, "Spaces")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.via import via_of
from hamrasan.rooms.spaces import DEFAULT_LIMIT, MAX_DEPTH, MAX_LIMIT, SpaceQuery


async def get_hierarchy(request: Request, services: Services) -> Response:
    """Return a page of the rooms in a space and below it."""
    query = request.query
    wanted = SpaceQuery(
        request.requester.user_id,
        request.path["room_id"],
        query.boolean("suggested_only"),
        query.integer("max_depth", MAX_DEPTH, 0, MAX_DEPTH),
    )
    limit = query.integer("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    return ok(await services.spaces.page(wanted, limit, query.one("from"), via_of(request)))


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v1/rooms/{room_id}/hierarchy",
        get_hierarchy,
        "getSpaceHierarchy",
        Auth.USER,
        RateClass.SEARCH,
    ),
]
