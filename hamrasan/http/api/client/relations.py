"""Events that relate to an event (client-server API, "Relationships API")."""

from __future__ import annotations

from typing import Any

from hamrasan.http.event_lists import reader_of, rendered
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.rooms.relations import RECURSION_LEVELS
from hamrasan.rooms.tokens import page_token, parse_position

DEFAULT_LIMIT = 20
"""Events of a page where the client does not say."""
MAX_LIMIT = 500
"""Events of a page at most, whatever the client asks."""


async def get_relations(request: Request, services: Services) -> Response:
    """Return a page of what relates to an event; the most recent first, unless the client asks otherwise."""
    query, path = request.query, request.path
    start, stop = query.one("from"), query.one("to")
    backwards = query.choice("dir", ("b", "f"), "b") == "b"
    limit = query.integer("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    levels = RECURSION_LEVELS if query.boolean("recurse") else 1
    readable, parent = await services.access.visible_event(
        path["room_id"], path["event_id"], request.requester.user_id
    )
    reader = await reader_of(request, services, readable.room)
    page = await services.relations.children(
        readable,
        reader,
        parent.stored.event_id,
        parse_position(start) if start else None,
        limit,
        rel_type=path.get("rel_type"),
        event_type=path.get("event_type"),
        levels=levels,
        backwards=backwards,
        stop=parse_position(stop) if stop else None,
    )
    answer: dict[str, Any] = {"chunk": await rendered(services, readable.room, page.events, reader)}
    if page.end is not None:
        answer["next_batch"] = page_token(page.end)
    if start:
        answer["prev_batch"] = start
    if query.one("recurse") is not None:
        answer["recursion_depth"] = levels
    return ok(answer)


_RELATIONS = "/_matrix/client/v1/rooms/{room_id}/relations/{event_id}"
_OF_TYPE = _RELATIONS + "/{rel_type}"

ROUTES = [
    Route("GET", _RELATIONS, get_relations, "getRelatingEvents", Auth.USER, RateClass.READS),
    Route("GET", _OF_TYPE, get_relations, "getRelatingEventsWithRelType", Auth.USER, RateClass.READS),
    Route(
        "GET",
        _OF_TYPE + "/{event_type}",
        get_relations,
        "getRelatingEventsWithRelTypeAndEventType",
        Auth.USER,
        RateClass.READS,
    ),
]
