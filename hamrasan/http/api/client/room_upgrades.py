"""Upgrading rooms (client-server API, "Room Upgrades")."""

from __future__ import annotations

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester


class UpgradeBody(msgspec.Struct):
    """Body of `upgradeRoom`."""

    new_version: str
    additional_creators: list[str] = []


async def upgrade_room(request: Request, services: Services) -> Response:
    """Replace a room by one of another version."""
    requester = active_requester(request)
    body = request.decode(UpgradeBody)
    room_id = await services.upgrade_room.upgrade(
        request.path["room_id"], requester.user_id, body.new_version, body.additional_creators
    )
    return ok({"replacement_room": room_id})


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/rooms/{room_id}/upgrade",
        upgrade_room,
        "upgradeRoom",
        Auth.USER,
        RateClass.ROOMS,
        Body.JSON_OBJECT,
    ),
]
