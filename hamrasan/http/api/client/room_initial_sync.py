"""A look at a room, for those who may read it without being in it (client-server API, "Room Previews")."""

from __future__ import annotations

from typing import Any

from hamrasan.http.event_lists import reader_of, rendered
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.filters import DEFAULT_EVENT_LIMIT, MAX_EVENT_LIMIT
from hamrasan.rooms.access import ReadableRoom
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.rooms.tokens import page_token


async def room_initial_sync(request: Request, services: Services) -> Response:
    """Return the state of a room and its latest messages; for who has left, as of the leaving."""
    limit = request.query.integer("limit", DEFAULT_EVENT_LIMIT, 0, MAX_EVENT_LIMIT)
    readable = await services.access.readable(request.path["room_id"], request.requester.user_id)
    return ok(await room_snapshot(request, services, readable, limit))


async def room_snapshot(
    request: Request, services: Services, readable: ReadableRoom, limit: int
) -> dict[str, Any]:
    """Return what a client that comes to a room is given: its state and the last `limit` messages."""
    room, user_id = readable.room, readable.user_id
    reader = await reader_of(request, services, room)
    page = await services.timeline.page(readable, reader, None, limit, backwards=True)
    state = await services.registry.state.at(room.number, readable.upto)
    published = await services.registry.rooms.is_published(room.number)
    messages: dict[str, Any] = {
        "chunk": await rendered(services, room, page.events[::-1], reader),
        "end": page_token(readable.upto),
    }
    if page.end is not None:
        messages["start"] = page_token(page.end)
    answer: dict[str, Any] = {
        "room_id": room.id,
        "messages": messages,
        "state": await rendered(services, room, [TimelineEvent(stored) for stored in state], reader),
        "visibility": "public" if published else "private",
    }
    membership = room.membership(user_id)
    if membership is not None and membership != "knock":
        answer["membership"] = membership
    return answer


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v3/rooms/{room_id}/initialSync",
        room_initial_sync,
        "roomInitialSync",
        Auth.GUEST,
        RateClass.READS,
    ),
]
