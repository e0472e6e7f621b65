"""The threads of a room (client-server API, "Querying threads in a room")."""

from __future__ import annotations

from typing import Any

from hamrasan.http.event_lists import reader_of, rendered
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.rooms.tokens import page_token, parse_position

DEFAULT_LIMIT = 20
"""Threads of a page where the client does not say."""
MAX_LIMIT = 100
"""Threads of a page at most; each carries its latest reply and a count."""


async def get_threads(request: Request, services: Services) -> Response:
    """Return a page of thread roots, those with the latest reply first."""
    query = request.query
    start = query.one("from")
    participated = query.choice("include", ("all", "participated"), "all") == "participated"
    limit = query.integer("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    readable = await services.access.readable(request.path["room_id"], request.requester.user_id)
    reader = await reader_of(request, services, readable.room)
    position = parse_position(start) if start else None
    page = await services.relations.threads(readable, reader, position, limit, participated=participated)
    answer: dict[str, Any] = {"chunk": await rendered(services, readable.room, page.events, reader)}
    if page.end is not None:
        answer["next_batch"] = page_token(page.end)
    return ok(answer)


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v1/rooms/{room_id}/threads",
        get_threads,
        "getThreadRoots",
        Auth.USER,
        RateClass.READS,
    ),
]
