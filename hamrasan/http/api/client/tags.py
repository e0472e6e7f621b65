"""Tags of rooms (client-server API, "Room Tagging")."""

from __future__ import annotations

from hamrasan.http.ownership import own_user_id
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services

_NOT_YOURS = "Tags can only be read and set by the user who put them there."


async def get_tags(request: Request, services: Services) -> Response:
    """Return the tags of a room."""
    user_id = own_user_id(request, _NOT_YOURS)
    return ok({"tags": await services.tags.of_room(user_id, request.path["room_id"])})


async def set_tag(request: Request, services: Services) -> Response:
    """Put a tag on a room."""
    user_id = own_user_id(request, _NOT_YOURS)
    await services.tags.set(user_id, request.path["room_id"], request.path["tag"], request.json())
    return empty()


async def delete_tag(request: Request, services: Services) -> Response:
    """Take a tag off a room."""
    user_id = own_user_id(request, _NOT_YOURS)
    await services.tags.remove(user_id, request.path["room_id"], request.path["tag"])
    return empty()


_TAGS = "/_matrix/client/v3/user/{user_id}/rooms/{room_id}/tags"

ROUTES = [
    Route("GET", _TAGS, get_tags, "getRoomTags", Auth.USER, RateClass.READS),
    Route("PUT", _TAGS + "/{tag}", set_tag, "setRoomTag", Auth.USER, RateClass.ACCOUNT, Body.JSON_OBJECT),
    Route("DELETE", _TAGS + "/{tag}", delete_tag, "deleteRoomTag", Auth.USER, RateClass.ACCOUNT),
]
