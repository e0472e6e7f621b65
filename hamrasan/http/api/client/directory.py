"""Room aliases (client-server API, "Room aliases")."""

from __future__ import annotations

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester


class SetAliasBody(msgspec.Struct):
    """Body of `setRoomAlias`."""

    room_id: str


async def get_alias(request: Request, services: Services) -> Response:
    """Return the room of an alias, also of another server's, and servers that are in it."""
    place = await services.find_room.by_alias(request.path["room_alias"])
    return ok({"room_id": place.room_id, "servers": place.servers})


async def set_alias(request: Request, services: Services) -> Response:
    """Let an alias point to a room that the requester is in."""
    requester = active_requester(request)
    body = request.decode(SetAliasBody)
    await services.aliases.create(
        request.path["room_alias"], body.room_id, requester.user_id, requester.application_service
    )
    return empty()


async def delete_alias(request: Request, services: Services) -> Response:
    """Delete an alias."""
    requester = active_requester(request)
    await services.aliases.delete(
        request.path["room_alias"],
        requester.user_id,
        is_admin=requester.is_admin,
        service=requester.application_service,
    )
    return empty()


async def get_local_aliases(request: Request, services: Services) -> Response:
    """List the aliases of a room that this server has."""
    user_id = request.requester.user_id
    return ok({"aliases": await services.aliases.listed_for(request.path["room_id"], user_id)})


_ALIAS = "/_matrix/client/v3/directory/room/{room_alias}"
_LOCAL = "/_matrix/client/v3/rooms/{room_id}/aliases"

ROUTES = [
    Route("GET", _ALIAS, get_alias, "getRoomIdByAlias", Auth.NONE, RateClass.READS),
    Route("PUT", _ALIAS, set_alias, "setRoomAlias", Auth.USER, RateClass.ROOMS, Body.JSON_OBJECT),
    Route("DELETE", _ALIAS, delete_alias, "deleteRoomAlias", Auth.USER, RateClass.ROOMS),
    Route("GET", _LOCAL, get_local_aliases, "getLocalAliases", Auth.USER, RateClass.READS),
]
