"""Typing notifications (client-server API, "Typing Notifications")."""

from __future__ import annotations

import msgspec

from hamrasan.http.ownership import own_user_id
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import invalid_param
from hamrasan.rooms.typing import DEFAULT_TYPING_MS


class SetTyping(msgspec.Struct):
    """Whether the user types, and for how many milliseconds to believe it."""

    typing: bool
    timeout: int = DEFAULT_TYPING_MS


async def set_typing(request: Request, services: Services) -> Response:
    """Show the others in the room that the requester types, or no longer does."""
    user_id = own_user_id(request, "You can only say of yourself that you are typing.")
    body = request.decode(SetTyping)
    if body.timeout < 0:
        raise invalid_param("The field 'timeout' must not be negative.")
    room = await services.access.joined(request.path["room_id"], user_id)
    if body.typing:
        services.typing.start(room.id, user_id, body.timeout)
    else:
        services.typing.stop(room.id, user_id)
    return empty()


ROUTES = [
    Route(
        "PUT",
        "/_matrix/client/v3/rooms/{room_id}/typing/{user_id}",
        set_typing,
        "setTyping",
        Auth.USER,
        RateClass.EPHEMERAL,
        Body.JSON_OBJECT,
    ),
]
