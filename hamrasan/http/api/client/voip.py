"""TURN servers for calls (client-server API, "Voice over IP")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import forbidden


async def get_turn_server(request: Request, services: Services) -> Response:
    """Refuse: this server offers no TURN server, which the specification leaves to it.

    The specification has no answer for that. An empty list of URIs makes browsers fail the call, and after a 404
    clients ask again every minute; a 403 tells them to call without.
    """
    raise forbidden("This server offers no TURN server; calls connect directly.")


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v3/voip/turnServer",
        get_turn_server,
        "getTurnServer",
        Auth.USER,
        RateClass.READS,
    ),
]
