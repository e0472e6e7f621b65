"""Knocking on rooms (client-server API, "Knocking on rooms")."""

from __future__ import annotations

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.http.via import via_of


class KnockBody(msgspec.Struct):
    """Body of `knockRoom`."""

    reason: str | None = None


async def knock(request: Request, services: Services) -> Response:
    """Ask to be let into a room."""
    user_id = active_requester(request).user_id
    body = request.decode(KnockBody)
    place = await services.find_room.by_id_or_alias(request.path["room_id_or_alias"], via_of(request))
    await services.knock_on_room.knock(place.room_id, user_id, body.reason, place.servers)
    return ok({"room_id": place.room_id})


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/knock/{room_id_or_alias}",
        knock,
        "knockRoom",
        Auth.USER,
        RateClass.ROOMS,
        Body.JSON_OPTIONAL,
    ),
]
