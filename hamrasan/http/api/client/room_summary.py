"""What there is to know of a room before one is in it (client-server API, "Room Summaries")."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.flows.find_room import RoomPlace
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.via import via_of
from hamrasan.protocol.errors import not_found


async def get_room_summary(request: Request, services: Services) -> Response:
    """Return the summary of a room, to anybody where anybody may come in or read.

    Other servers are asked for nobody but this server's users.
    """
    user_id = request.requester.user_id if request.is_authenticated else None
    room_id_or_alias = request.path["room_id_or_alias"]
    if user_id is None:
        place = RoomPlace(await services.aliases.room_id_of(room_id_or_alias), [])
    else:
        place = await services.find_room.by_id_or_alias(room_id_or_alias, via_of(request))
    room_id, servers = place
    found = await services.discovery.find(room_id, user_id, banned=True)
    if found is None:
        return await _elsewhere(services, room_id, servers, user_id)
    fields = found.fields()
    if found.membership is not None:
        fields["membership"] = found.membership
    return ok(fields)


async def _elsewhere(
    services: Services, room_id: str, servers: Sequence[str], user_id: str | None
) -> Response:
    """Return what other servers tell of a room."""
    found = await services.find_elsewhere.find(room_id, servers, user_id)
    if found is None:
        raise not_found("There is no such room, or you may not see it.")
    fields = dict(found.fields)
    if user_id is not None:
        pending = await services.invitations.pending(room_id, user_id, None)
        if pending is not None:
            fields["membership"] = pending.membership
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
