"""Setting room state (client-server API, "Sending events to a room")."""

from __future__ import annotations

from hamrasan.http.api.client import delayed_events
from hamrasan.http.application_service import massaged_timestamp
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.rooms.membership import MEMBER


async def set_state(request: Request, services: Services) -> Response:
    """Set the state under a type and a state key; membership changes follow the same rules as their own endpoints."""
    content = request.strict_json()
    event_type, state_key = request.path["event_type"], request.path.get("state_key", "")
    user_id: str = request.requester.user_id
    leaves = event_type == MEMBER and state_key == user_id and content.get("membership") == "leave"
    if not leaves:
        active_requester(request)
    if delayed_events.MARK in request.query_string:
        return await delayed_events.delay(request, services, state_key, None)
    event_id = await services.set_state.set(
        request.path["room_id"], user_id, event_type, state_key, content, massaged_timestamp(request)
    )
    return ok({"event_id": event_id})


_STATE = "/_matrix/client/v3/rooms/{room_id}/state/{event_type}"

ROUTES = [
    Route("PUT", path, set_state, "setRoomStateWithKey", Auth.USER, RateClass.MESSAGES, Body.JSON_OBJECT)
    for path in (_STATE, _STATE + "/{state_key}")
]
