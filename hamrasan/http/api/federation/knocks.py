"""Knocks through this server (server-server API, "Knocking upon a room")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.servers import content_of, origin_of
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.errors import missing_param
from hamrasan.rooms.told_state import told_state


async def make_knock(request: Request, services: Services) -> Response:
    """Return an event by which a user of the other server could knock."""
    path, versions = request.path, request.query.all("ver")
    if not versions:
        raise missing_param("ver")
    found = await services.serve_handshakes.template(
        origin_of(request), path["room_id"], path["user_id"], "knock", versions
    )
    return json_bytes(encode_json(found))


async def send_knock(request: Request, services: Services) -> Response:
    """Let a user of another server knock, and return what they may know of the room."""
    path = request.path
    taken = await services.serve_handshakes.take(
        origin_of(request), path["room_id"], path["event_id"], content_of(request), "knock"
    )
    state = await told_state(services.federated_events, taken.room)
    return json_bytes(encode_json({"knock_room_state": state}))


_V1 = "/_matrix/federation/v1"

ROUTES = [
    Route(
        "GET",
        _V1 + "/make_knock/{room_id}/{user_id}",
        make_knock,
        "makeKnock",
        Auth.SERVER,
        RateClass.FEDERATION,
    ),
    Route(
        "PUT",
        _V1 + "/send_knock/{room_id}/{event_id}",
        send_knock,
        "sendKnock",
        Auth.SERVER,
        RateClass.FEDERATION,
        Body.JSON_OBJECT,
    ),
]
