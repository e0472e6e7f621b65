"""What came before events (server-server API, "Backfilling and retrieving missing events")."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hamrasan.http.event_answers import transaction_with
from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.servers import origin_of
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.errors import missing_param
from hamrasan.rooms.served_events import DEFAULT_MISSING, MAX_BACKFILL


class MissingBody(msgspec.Struct):
    """The body of `POST /get_missing_events`."""

    earliest_events: list[str]
    latest_events: list[str]
    limit: Annotated[int, msgspec.Meta(ge=0)] = DEFAULT_MISSING
    min_depth: int = 0


async def backfill(request: Request, services: Services) -> Response:
    """Return events and those before them, the newest first."""
    server = origin_of(request)
    event_ids, limit = request.query.all("v"), request.query.integer("limit", maximum=MAX_BACKFILL)
    if not event_ids or limit is None:
        raise missing_param("limit" if event_ids else "v")
    room = await services.server_access.resident(request.path["room_id"], server)
    return transaction_with(services, await services.served_events.backfill(room, server, event_ids, limit))


async def get_missing_events(request: Request, services: Services) -> Response:
    """Return what lies between events that a server has and others, the oldest first."""
    server, body = origin_of(request), request.decode(MissingBody)
    room = await services.server_access.resident(request.path["room_id"], server)
    found = await services.served_events.missing(
        room, server, body.latest_events, body.earliest_events, body.limit, body.min_depth
    )
    return json_bytes(encode_json({"events": found}))


_V1 = "/_matrix/federation/v1"

ROUTES = [
    Route("GET", _V1 + "/backfill/{room_id}", backfill, "backfillRoom", Auth.SERVER, RateClass.FEDERATION),
    Route(
        "POST",
        _V1 + "/get_missing_events/{room_id}",
        get_missing_events,
        "getMissingPreviousEvents",
        Auth.SERVER,
        RateClass.FEDERATION,
        Body.JSON_OBJECT,
    ),
]
