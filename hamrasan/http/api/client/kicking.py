"""Removing members (client-server API, "Leaving rooms")."""

from __future__ import annotations

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester


class TargetBody(msgspec.Struct):
    """Body of `kick`, `ban` and `unban`."""

    user_id: str
    reason: str | None = None


async def kick(request: Request, services: Services) -> Response:
    """Remove a member from a room."""
    requester = active_requester(request)
    body = request.decode(TargetBody)
    await services.membership.kick(request.path["room_id"], requester.user_id, body.user_id, body.reason)
    return empty()


_KICK = "/_matrix/client/v3/rooms/{room_id}/kick"

ROUTES = [Route("POST", _KICK, kick, "kick", Auth.USER, RateClass.ROOMS, Body.JSON_OBJECT)]
