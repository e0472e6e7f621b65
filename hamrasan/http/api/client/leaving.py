"""Leaving and forgetting rooms (client-server API, "Leaving rooms")."""

from __future__ import annotations

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services


class LeaveBody(msgspec.Struct):
    """Body of `leaveRoom`."""

    reason: str | None = None


async def leave(request: Request, services: Services) -> Response:
    """Leave a room, turn an invite down, or take a knock back; suspended users may, too."""
    body = request.decode(LeaveBody)
    await services.leave_room.leave(request.path["room_id"], request.requester.user_id, body.reason)
    return empty()


async def forget(request: Request, services: Services) -> Response:
    """Forget a room that was left."""
    await services.leave_room.forget(request.path["room_id"], request.requester.user_id)
    return empty()


_ROOM = "/_matrix/client/v3/rooms/{room_id}"

ROUTES = [
    Route("POST", _ROOM + "/leave", leave, "leaveRoom", Auth.USER, RateClass.ROOMS, Body.JSON_OPTIONAL),
    Route("POST", _ROOM + "/forget", forget, "forgetRoom", Auth.USER, RateClass.ROOMS, Body.JSON_OPTIONAL),
]
