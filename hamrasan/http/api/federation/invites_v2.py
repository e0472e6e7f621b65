"""Invites for users of this server (server-server API, "Inviting to a room")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.servers import content_of, origin_of
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.errors import bad_json, missing_param


async def send_invite(request: Request, services: Services) -> Response:
    """Take an invite and return it with this server's signature."""
    path, body = request.path, content_of(request)
    for name in ("room_version", "event"):
        if name not in body:
            raise missing_param(name)
    version, state = body["room_version"], body.get("invite_room_state", [])
    if not isinstance(version, str) or not isinstance(state, list):
        raise bad_json("'room_version' must be a string, and 'invite_room_state' an array.")
    signed = await services.take_invite.take(
        origin_of(request), path["room_id"], path["event_id"], version, body["event"], state
    )
    return json_bytes(encode_json({"event": signed}))


ROUTES = [
    Route(
        "PUT",
        "/_matrix/federation/v2/invite/{room_id}/{event_id}",
        send_invite,
        "sendInviteV2",
        Auth.SERVER,
        RateClass.FEDERATION,
        Body.JSON_OBJECT,
    ),
]
