"""Ending an account (client-server API, "Account deactivation")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services


class DeactivateBody(msgspec.Struct):
    """The body of `POST /account/deactivate`."""

    auth: Any = None
    id_server: str | None = None
    erase: bool = False


async def deactivate(request: Request, services: Services) -> Response:
    """End the requester's account for good, after confirmation. There is nothing to unbind from identity servers."""
    body = request.decode(DeactivateBody)
    await services.deactivate_account.by_user(
        request.requester, erase=body.erase, auth=body.auth, address=request.client_address
    )
    return ok({"id_server_unbind_result": "success"})


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/account/deactivate",
        deactivate,
        "deactivateAccount",
        Auth.USER,
        RateClass.LOGIN,
        Body.JSON_OPTIONAL,
    ),
]
