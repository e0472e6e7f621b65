"""The rooms that a user is in (client-server API, "Room membership")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services


async def joined_rooms(request: Request, services: Services) -> Response:
    """List the ids of the rooms that the requester is in."""
    return ok({"joined_rooms": await services.membership.joined_rooms(request.requester.user_id)})


ROUTES = [
    Route(
        "GET", "/_matrix/client/v3/joined_rooms", joined_rooms, "getJoinedRooms", Auth.USER, RateClass.READS
    ),
]
