"""Logout (client-server API, "Logout").

A locked account may do this and nothing else ("Account locking"), so these endpoints authenticate by themselves.
"""

from __future__ import annotations

from hamrasan.accounts.requester import Requester
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError


async def log_out(request: Request, services: Services) -> Response:
    """Take the requester's device and its tokens away."""
    await services.end_sessions.log_out(await _requester(request, services))
    return empty()


async def log_out_everywhere(request: Request, services: Services) -> Response:
    """Take all the requester's devices and their tokens away."""
    requester = await _requester(request, services)
    await services.end_sessions.end_all(requester.user_id)
    return empty()


async def _requester(request: Request, services: Services) -> Requester:
    token = request.access_token
    if token is None:
        raise MatrixError(401, "M_MISSING_TOKEN", "This request needs an access token.")
    return await services.authenticator.authenticate(token, even_locked=True)


ROUTES = [
    Route("POST", "/_matrix/client/v3/logout", log_out, "logout", Auth.NONE, RateClass.ACCOUNT),
    Route(
        "POST",
        "/_matrix/client/v3/logout/all",
        log_out_everywhere,
        "logout_all",
        Auth.NONE,
        RateClass.ACCOUNT,
    ),
]
