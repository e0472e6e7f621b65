"""Leaving through this server (server-server API, "Leaving Rooms (Rejecting Invites)")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.servers import content_of, origin_of
from hamrasan.http.services import Services


async def send_leave(request: Request, services: Services) -> Response:
    """Let a user of another server leave, or turn an invite down."""
    path = request.path
    await services.serve_handshakes.take(
        origin_of(request), path["room_id"], path["event_id"], content_of(request), "leave"
    )
    return empty()


ROUTES = [
    Route(
        "PUT",
        "/_matrix/federation/v2/send_leave/{room_id}/{event_id}",
        send_leave,
        "sendLeaveV2",
        Auth.SERVER,
        RateClass.FEDERATION,
        Body.JSON_OBJECT,
    ),
]
