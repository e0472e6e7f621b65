"""Who an access token belongs to (client-server API, "Current account information")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services


async def who_am_i(request: Request, _services: Services) -> Response:
    """Return user and device of the requester; an application service may have no device."""
    requester = request.requester
    answer = {"user_id": requester.user_id, "is_guest": requester.is_guest}
    if requester.device_id:
        answer["device_id"] = requester.device_id
    return ok(answer)


ROUTES = [
    Route("GET", "/_matrix/client/v3/account/whoami", who_am_i, "getTokenOwner", Auth.GUEST, RateClass.READS),
]
