"""Who gave somebody an OpenID token (server-server API, "OpenID"); asked by services that are no servers, too."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError


async def get_user_info(request: Request, services: Services) -> Response:
    """Return whose token it is."""
    token = request.query.one("access_token")
    if not token:
        raise MatrixError(401, "M_MISSING_TOKEN", "The parameter 'access_token' is required.")
    return ok({"sub": await services.openid_tokens.user_of(token)})


ROUTES = [
    Route(
        "GET",
        "/_matrix/federation/v1/openid/userinfo",
        get_user_info,
        "exchangeOpenIdToken",
        Auth.NONE,
        RateClass.FEDERATION,
    ),
]
