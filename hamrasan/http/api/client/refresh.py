"""Refreshing access tokens (client-server API, "Refreshing access tokens")."""

from __future__ import annotations

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services


class RefreshBody(msgspec.Struct):
    """The body of `POST /refresh`."""

    refresh_token: str


async def refresh(request: Request, services: Services) -> Response:
    """Give new tokens for a refresh token."""
    issued = await services.tokens.refresh(request.decode(RefreshBody).refresh_token)
    return ok(issued.answer())


ROUTES = [
    Route(
        "POST", "/_matrix/client/v3/refresh", refresh, "refresh", Auth.NONE, RateClass.LOGIN, Body.JSON_OBJECT
    ),
]
