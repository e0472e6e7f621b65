"""Login tokens for another device (client-server API, `POST /login/get_token`)."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services


class TokenBody(msgspec.Struct):
    """The body of `POST /login/get_token`."""

    auth: Any = None


async def get_token(request: Request, services: Services) -> Response:
    """Give a token with which another device can log in once, after the requester has confirmed it."""
    body = request.decode(TokenBody)
    token, expires_in_ms = await services.login.give_token(
        request.requester, body.auth, request.client_address
    )
    return ok({"login_token": token, "expires_in_ms": expires_in_ms})


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v1/login/get_token",
        get_token,
        "generateLoginToken",
        Auth.USER,
        RateClass.LOGIN,
        Body.JSON_OPTIONAL,
    ),
]
