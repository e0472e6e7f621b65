"""Whether the server works, for load balancers and supervisors."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_response, ok
from hamrasan.http.route import Auth, Route
from hamrasan.http.services import Services

_RETRY_AFTER = (("Retry-After", "5"),)


async def get_health(_request: Request, services: Services) -> Response:
    """Answer 200 if the server can store what it is sent, and 503 if not."""
    if await services.health.can_write():
        return ok({"status": "ok"})
    return json_response(503, {"status": "cannot write"}, _RETRY_AFTER)


ROUTES = [Route("GET", "/health", get_health, "getHealth", Auth.NONE)]
