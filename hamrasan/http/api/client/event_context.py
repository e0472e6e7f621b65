"""What stands around an event (client-server API, "Event Context")."""

from __future__ import annotations

import orjson

from hamrasan.http.event_lists import reader_of, rendered, room_event_filter
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.filters import DEFAULT_EVENT_LIMIT, MAX_EVENT_LIMIT
from hamrasan.rooms.tokens import page_token


async def get_context(request: Request, services: Services) -> Response:
    """Return an event with those before and after it, and the state at the last of them."""
    wanted = room_event_filter(request)
    limit = request.query.integer("limit", wanted.effective_limit(DEFAULT_EVENT_LIMIT), 0, MAX_EVENT_LIMIT)
    readable, event = await services.access.visible_event(
        request.path["room_id"], request.path["event_id"], request.requester.user_id
    )
    room = readable.room
    reader = await reader_of(request, services, room)
    context = await services.timeline.context(readable, reader, event, limit, wanted)
    return ok(
        {
            "event": orjson.Fragment(await services.renderer.render_one(room, event, reader)),
            "events_before": await rendered(services, room, context.before, reader),
            "events_after": await rendered(services, room, context.after, reader),
            "state": await rendered(services, room, context.state, reader),
            "start": page_token(context.start),
            "end": page_token(context.end),
        }
    )


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v3/rooms/{room_id}/context/{event_id}",
        get_context,
        "getEventContext",
        Auth.GUEST,
        RateClass.READS,
    ),
]
