"""Policy servers (client-server API, "Policy Servers"): what one says that is none."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found


async def get_policy_server(_request: Request, _services: Services) -> Response:
    """Refuse: no room can have its events judged here."""
    raise not_found("This server is no policy server.")


ROUTES = [
    Route("GET", "/.well-known/matrix/policy_server", get_policy_server, "getWellknownPolicy", Auth.NONE)
]
