"""Presence (client-server API, "Presence")."""

from __future__ import annotations

import msgspec

from hamrasan.http.ownership import own_user_id
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.protocol.identifiers import check_user_id


class PresenceBody(msgspec.Struct):
    """Body of `setPresence`."""

    presence: str
    status_msg: str | None = None


async def set_presence(request: Request, services: Services) -> Response:
    """Set the requester's presence and status message; suspended users have no message."""
    user_id = own_user_id(request, "You can only set your own presence.")
    body = request.decode(PresenceBody)
    if body.status_msg:
        active_requester(request)  # what everybody reads is taking part
    services.presence.set(user_id, request.requester.device_id, body.presence, body.status_msg)
    return empty()


async def get_presence(request: Request, services: Services) -> Response:
    """Return the presence of a user whom the requester shares a room with."""
    user_id = request.path["user_id"]
    check_user_id(user_id)
    state = await services.see_presence.of(request.requester.user_id, user_id)
    return ok(state.content(services.clock.now_ms()))


_STATUS = "/_matrix/client/v3/presence/{user_id}/status"

ROUTES = [
    Route("PUT", _STATUS, set_presence, "setPresence", Auth.USER, RateClass.PRESENCE, Body.JSON_OBJECT),
    Route("GET", _STATUS, get_presence, "getPresence", Auth.USER, RateClass.READS),
]
