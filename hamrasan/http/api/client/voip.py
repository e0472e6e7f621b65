"""What calls need (client-server API, "Voice over IP"; MSC4143, "Discovery of transports")."""

from __future__ import annotations

from typing import Any

from hamrasan.accounts.turn import LIFETIME_S, turn_credentials
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import forbidden
from hamrasan.runtime.settings import Settings


async def get_turn_server(request: Request, services: Services) -> Response:
    """Return credentials for the TURN servers; refuse where the operator has named none.

    The specification has no answer for that. An empty list of URIs makes browsers fail the call, and after a 404
    clients ask again every minute; a 403 tells them to call without.
    """
    settings = services.settings
    if not settings.turn_uris or settings.turn_shared_secret is None:
        raise forbidden("This server offers no TURN server; calls connect directly.")
    credentials = turn_credentials(
        settings.turn_shared_secret, request.requester.user_id, services.clock.now_ms()
    )
    return ok(
        {
            "username": credentials.username,
            "password": credentials.password,
            "uris": settings.turn_uris,
            "ttl": LIFETIME_S,
        }
    )


async def get_rtc_transports(_request: Request, services: Services) -> Response:
    """List the transports for calls of many that the operator offers."""
    return ok({"rtc_transports": rtc_transports(services.settings)})


def rtc_transports(settings: Settings) -> list[dict[str, Any]]:
    """Return what `GET /rtc/transports` and the well-known file tell of calls: a LiveKit service, or nothing."""
    url = settings.livekit_service_url
    return [] if url is None else [{"type": "livekit", "livekit_service_url": url}]


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v3/voip/turnServer",
        get_turn_server,
        "getTurnServer",
        Auth.USER,
        RateClass.READS,
    ),
    Route(
        "GET",
        "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports",
        get_rtc_transports,
        "getRtcTransports",
        Auth.USER,
        RateClass.READS,
    ),
]
