"""Banning users from rooms (client-server API, "Banning users in a room")."""

from __future__ import annotations

from hamrasan.http.api.client.kicking import TargetBody
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester


async def ban(request: Request, services: Services) -> Response:
    """Ban a user from a room."""
    requester = active_requester(request)
    body = request.decode(TargetBody)
    await services.membership.ban(request.path["room_id"], requester.user_id, body.user_id, body.reason)
    return empty()


async def unban(request: Request, services: Services) -> Response:
    """Lift a ban."""
    requester = active_requester(request)
    body = request.decode(TargetBody)
    await services.membership.unban(request.path["room_id"], requester.user_id, body.user_id, body.reason)
    return empty()


_ROOM = "/_matrix/client/v3/rooms/{room_id}"

ROUTES = [
    Route("POST", _ROOM + "/ban", ban, "ban", Auth.USER, RateClass.ROOMS, Body.JSON_OBJECT),
    Route("POST", _ROOM + "/unban", unban, "unban", Auth.USER, RateClass.ROOMS, Body.JSON_OBJECT),
]
