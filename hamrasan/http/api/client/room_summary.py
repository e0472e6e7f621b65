"""What there is to know of a room before one is in it (client-server API, "Room Summaries")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found


async def get_room_summary(request: Request, services: Services) -> Response:
    """Return the summary of a room, to anybody where anybody may come in or read."""
    room_id = await services.aliases.room_id_of(request.path["room_id_or_alias"])
    user_id = request.requester.user_id if request.is_authenticated else None
    found = await services.discovery.find(room_id, user_id, banned=True)
    if found is None:
        raise not_found("There is no such room, or you may not see it.")
    fields = found.fields()
    if found.membership is not None:
        fields["membership"] = found.membership
    return ok(fields)


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v1/room_summary/{room_id_or_alias}",
        get_room_summary,
        "getRoomSummary",
        Auth.OPTIONAL,
        RateClass.SEARCH,
    ),
]
