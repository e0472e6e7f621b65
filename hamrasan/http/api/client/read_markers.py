"""The fully read marker, and receipts along with it (client-server API, "Fully read markers")."""

from __future__ import annotations

import msgspec

from hamrasan.accounts.account_data import FULLY_READ
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.storage.ports.user_data import READ, READ_PRIVATE


class ReadMarkers(msgspec.Struct):
    """Event ids that marks are moved to; what is absent stays where it is."""

    fully_read: str | None = msgspec.field(default=None, name=FULLY_READ)
    read: str | None = msgspec.field(default=None, name=READ)
    read_private: str | None = msgspec.field(default=None, name=READ_PRIVATE)


async def set_read_markers(request: Request, services: Services) -> Response:
    """Move the fully read marker and the receipts of a room, all or none."""
    body = request.decode(ReadMarkers)
    wanted = {FULLY_READ: body.fully_read, READ: body.read, READ_PRIVATE: body.read_private}
    marks = {type: event_id for type, event_id in wanted.items() if event_id is not None}
    await services.receipts.mark(request.path["room_id"], request.requester.user_id, marks)
    return empty()


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/rooms/{room_id}/read_markers",
        set_read_markers,
        "setReadMarker",
        Auth.USER,
        RateClass.EPHEMERAL,
        Body.JSON_OBJECT,
    ),
]
