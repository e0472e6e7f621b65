"""Rooms that application services list for the networks they bridge to ("Published room directories")."""

from __future__ import annotations

from typing import Literal

import msgspec

from hamrasan.http.application_service import service_of
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services


class VisibilityBody(msgspec.Struct):
    """The body of `updateAppserviceRoomDirectoryVisibility`."""

    visibility: Literal["public", "private"]


async def set_visibility(request: Request, services: Services) -> Response:
    """Put a room into the directory of a network, or take it out."""
    service, body = service_of(request), request.decode(VisibilityBody)
    await services.network_directories.list_room(
        service,
        request.path["network_id"],
        request.path["room_id"],
        request.requester.user_id,
        body.visibility == "public",
    )
    return empty()


ROUTES = [
    Route(
        "PUT",
        "/_matrix/client/v3/directory/list/appservice/{network_id}/{room_id}",
        set_visibility,
        "updateAppserviceRoomDirectoryVisibility",
        Auth.USER,
        RateClass.ROOMS,
        Body.JSON_OBJECT,
    )
]
