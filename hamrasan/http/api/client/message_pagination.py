"""Paging through a room's messages (client-server API, `GET /rooms/{roomId}/messages`)."""

from __future__ import annotations

from typing import Any

from hamrasan.http.event_lists import reader_of, rendered, room_event_filter
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import missing_param
from hamrasan.protocol.filters import DEFAULT_EVENT_LIMIT, MAX_EVENT_LIMIT, RoomEventFilter
from hamrasan.rooms.access import ReadableRoom
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.timeline import Page
from hamrasan.rooms.tokens import page_token, parse_position
from hamrasan.storage.ports.journal import Position

MAX_FETCHES = 5
"""Times that other servers are asked for one page: what they give may be hidden from the reader, or not wanted."""


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
    span = (parse_position(start) if start else None, parse_position(stop) if stop else None)
    page = await _page(services, readable, reader, span, limit, wanted, backwards)
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


async def _page(
    services: Services,
    readable: ReadableRoom,
    reader: Reader,
    span: tuple[Position | None, Position | None],
    limit: int,
    wanted: RoomEventFilter,
    backwards: bool,
) -> Page:
    """Return a page; backwards, older events are fetched from other servers where they are not here."""

    async def read() -> Page:
        return await services.timeline.page(
            readable, reader, span[0], limit, wanted, backwards=backwards, stop=span[1]
        )

    page = await read()
    if not backwards:
        return page
    for _ in range(MAX_FETCHES):
        if (
            len(page.events) >= limit
            or page.end is not None
            or not await services.backfill.go_on(readable.room)
        ):
            break
        page = await read()
    if page.events and page.end is None and not services.backfill.is_complete(readable.room):
        # Nobody gives more now; whoever asks from here again may be luckier.
        return page._replace(end=page.events[-1].stored.position - 1)
    return page


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
