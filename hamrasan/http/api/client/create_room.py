"""Creating a room (client-server API, "Creation")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.flows.create_room import Preset, RoomWish, StateWish, Visibility
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.protocol.errors import MatrixError


class StateEvent(msgspec.Struct):
    """A member of `initial_state`."""

    type: str
    content: dict[str, Any]
    state_key: str = ""


class CreateRoomBody(msgspec.Struct):
    """Body of `createRoom`."""

    preset: Preset | None = None
    visibility: Visibility | None = None
    room_alias_name: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: list[str] = []
    invite_3pid: list[dict[str, Any]] = []
    is_direct: bool = False
    room_version: str | None = None
    creation_content: dict[str, Any] = {}
    initial_state: list[StateEvent] = []
    power_level_content_override: dict[str, Any] = {}


async def create_room(request: Request, services: Services) -> Response:
    """Create a room as the requester wishes."""
    requester = active_requester(request)
    body = request.decode(CreateRoomBody)
    if body.invite_3pid:
        raise MatrixError(
            403,
            "M_SERVER_NOT_TRUSTED",
            "This server asks no identity server for addresses; please invite by user id.",
        )
    wish = RoomWish(
        preset=body.preset,
        visibility=body.visibility or "private",
        room_alias_name=body.room_alias_name,
        name=body.name,
        topic=body.topic,
        invite=body.invite,
        is_direct=body.is_direct,
        room_version=body.room_version,
        creation_content=body.creation_content,
        initial_state=[StateWish(state.type, state.state_key, state.content) for state in body.initial_state],
        power_level_content_override=body.power_level_content_override,
    )
    room_id = await services.create_room.create(requester.user_id, wish, requester.application_service)
    return ok({"room_id": room_id})


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/createRoom",
        create_room,
        "createRoom",
        Auth.USER,
        RateClass.ROOMS,
        Body.JSON_OPTIONAL,
    ),
]
