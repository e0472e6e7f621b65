"""Setting room state (client-server API, "Sending events to a room")."""

from __future__ import annotations

from hamrasan.http.application_service import massaged_timestamp
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.protocol.errors import invalid_param
from hamrasan.rooms.aliases import CANONICAL_ALIAS
from hamrasan.rooms.membership import MEMBER
from hamrasan.rooms.messages import REDACTION
from hamrasan.rooms.new_event import NewEvent


async def set_state(request: Request, services: Services) -> Response:
    """Set the state under a type and a state key; membership changes follow the same rules as their own endpoints."""
    content = request.strict_json()
    event_type, state_key = request.path["event_type"], request.path.get("state_key", "")
    user_id: str = request.requester.user_id
    leaves = event_type == MEMBER and state_key == user_id and content.get("membership") == "leave"
    if not leaves:
        active_requester(request)
    sent_ts = massaged_timestamp(request)
    if event_type == MEMBER:
        event_id = await services.membership.put_state(
            request.path["room_id"], user_id, state_key, content, sent_ts
        )
        return ok({"event_id": event_id})
    if event_type == REDACTION:
        raise invalid_param("A redaction is no state; please use /redact.")
    room = await services.access.joined(request.path["room_id"], user_id)
    if event_type == CANONICAL_ALIAS and not state_key:
        await services.aliases.check_canonical(room, content)
    new = NewEvent(event_type, user_id, content, state_key, origin_server_ts=sent_ts)
    event_id = await services.registry.send(room, new)
    return ok({"event_id": event_id})


_STATE = "/_matrix/client/v3/rooms/{room_id}/state/{event_type}"

ROUTES = [
    Route("PUT", path, set_state, "setRoomStateWithKey", Auth.USER, RateClass.MESSAGES, Body.JSON_OBJECT)
    for path in (_STATE, _STATE + "/{state_key}")
]
