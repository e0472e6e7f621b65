"""Where people find help (client-server API, `GET /.well-known/matrix/support`)."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found


async def get_support(_request: Request, services: Services) -> Response:
    """Return the page of this server; who its administrators are is for them to say there."""
    public_url = services.settings.public_url
    if public_url is None:
        raise not_found("This server has no page for help; its operator has not set a public address.")
    return ok({"support_page": public_url})


ROUTES = [Route("GET", "/.well-known/matrix/support", get_support, "getWellknownSupport", Auth.NONE)]
