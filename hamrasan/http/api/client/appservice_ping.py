"""Pinging an application service at its own request (application service API, "Pinging")."""

from __future__ import annotations

import msgspec

from hamrasan.http.application_service import service_of
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services


class PingBody(msgspec.Struct):
    """The body of `POST /appservice/{appserviceId}/ping`."""

    transaction_id: str | None = None


async def ping_appservice(request: Request, services: Services) -> Response:
    """Ask the service that asks for this whether it is reached, and tell it how long that took."""
    asking, body = service_of(request), request.decode(PingBody)
    duration = await services.service_ping.ping(request.path["appservice_id"], asking, body.transaction_id)
    return ok({"duration_ms": duration})


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v1/appservice/{appservice_id}/ping",
        ping_appservice,
        "pingAppservice",
        Auth.USER,
        RateClass.ACCOUNT,
        Body.JSON_OPTIONAL,
    )
]
