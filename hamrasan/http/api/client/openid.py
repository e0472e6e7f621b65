"""OpenID tokens (client-server API, "OpenID")."""

from __future__ import annotations

from hamrasan.accounts.openid import LIFETIME_S
from hamrasan.http.ownership import own_user_id
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services


async def request_token(request: Request, services: Services) -> Response:
    """Give a token with which a third party can ask this server who the requester is."""
    request.json()
    user_id = own_user_id(request, "You can only prove who you are yourself.")
    return ok(
        {
            "access_token": await services.openid_tokens.issue(user_id),
            "token_type": "Bearer",
            "matrix_server_name": services.settings.server_name,
            "expires_in": LIFETIME_S,
        }
    )


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/user/{user_id}/openid/request_token",
        request_token,
        "requestOpenIdToken",
        Auth.GUEST,
        RateClass.ACCOUNT,
        Body.JSON_OPTIONAL,
    ),
]
