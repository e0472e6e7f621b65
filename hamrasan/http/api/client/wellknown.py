"""Where clients find the server (client-server API, "Well-known URIs")."""

from __future__ import annotations

from typing import Any

from hamrasan.http.api.client.voip import rtc_transports
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found


async def get_client(_request: Request, services: Services) -> Response:
    """Return the server's address; only the operator can know it, so without the setting there is none."""
    public_url = services.settings.public_url
    if public_url is None:
        raise not_found("This server has no public address; its operator has not set one.")
    found: dict[str, Any] = {"m.homeserver": {"base_url": public_url}}
    transports = rtc_transports(services.settings)
    if transports:
        found["org.matrix.msc4143.rtc_foci"] = transports
    return ok(found)


ROUTES = [Route("GET", "/.well-known/matrix/client", get_client, "getWellknown", Auth.NONE)]
