"""Paging through a room's messages (client-server API, `GET /rooms/{roomId}/messages`)."""

from __future__ import annotations

from typing import Any

from hamrasan.http.event_lists import reader_of, rendered, room_event_filter
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import missing_param
from hamrasan.protocol.filters import DEFAULT_EVENT_LIMIT, MAX_EVENT_LIMIT
from hamrasan.rooms.tokens import page_token, parse_position


async def get_messages(request: Request, services: Services) -> Response:
    """Return a page of the events that the requester may see; without `end`, there are no more."""
    query = request.query
    backwards = query.choice("dir", ("b", "f")) == "b"
    if query.one("dir") is None:
        raise missing_param("dir")
    start, stop = query.one("from"), query.one("to")
    wanted = room_event_filter(request)
    # 0, which some clients send, is taken as 1, as in filters: a page without events would never end.
    limit = query.integer("limit", wanted.effective_limit(DEFAULT_EVENT_LIMIT), 0, MAX_EVENT_LIMIT) or 1
    readable = await services.access.readable(request.path["room_id"], request.requester.user_id)
    reader = await reader_of(request, services, readable.room)
    page = await services.timeline.page(
        readable,
        reader,
        parse_position(start) if start else None,
        limit,
        wanted,
        backwards=backwards,
        stop=parse_position(stop) if stop else None,
    )
    first = readable.upto if backwards else 0
    answer: dict[str, Any] = {
        "start": start or page_token(first),
        "chunk": await rendered(services, readable.room, page.events, reader),
    }
    if page.end is not None:
        answer["end"] = page_token(page.end)
    if wanted.lazy_load_members and page.events:
        at = page.events[0].stored.position
        senders = await services.timeline.senders(readable.room, page.events, at)
        answer["state"] = await rendered(services, readable.room, senders, reader)
    return ok(answer)


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v3/rooms/{room_id}/messages",
        get_messages,
        "getRoomEvents",
        Auth.GUEST,
        RateClass.READS,
    ),
]
