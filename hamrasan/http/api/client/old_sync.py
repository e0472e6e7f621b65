"""The event stream of clients from before `/sync`, and that of rooms which one only looks into (client-server API,
`GET /events`, `GET /initialSync`).

Clients get the events of rooms; what `/sync` tells beside them has no place here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson

from hamrasan.http.api.client.events_after import EventsAfter, ParkedEvents
from hamrasan.http.api.client.room_initial_sync import room_snapshot
from hamrasan.http.api.client.sync import MAX_TIMEOUT_MS
from hamrasan.http.event_lists import reader_of
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Response, StreamResponse, json_bytes
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError, not_found
from hamrasan.protocol.filters import DEFAULT_EVENT_LIMIT, parse_filter
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.rooms.tokens import page_token, parse_position
from hamrasan.storage.ports.rooms import MembershipRow
from hamrasan.storage.ports.user_data import GLOBAL
from hamrasan.sync.notifier import UserStream
from hamrasan.sync.request import SyncRequest

MAX_MESSAGES_OF_EACH = 50
"""Messages of each room in `/initialSync`, which answers with all rooms at once."""


async def get_events(request: Request, services: Services) -> Answer:
    """Return the events after `from`, waiting for one up to `timeout`: of one's rooms, or of the one room `room_id`."""
    query, requester = request.query, request.requester
    timeout_ms = query.integer("timeout", 0, 0, MAX_TIMEOUT_MS)
    room_id, start_at = query.one("room_id"), query.one("from")
    now = services.sync.token().position
    after = min(parse_position(start_at), now) if start_at else now
    if room_id is not None:
        await services.access.readable(room_id, requester.user_id)
    stream = await services.notifier.stream(requester.user_id)
    waiting = EventsAfter(request, services, stream, room_id, after)
    body = await waiting.compose()
    if body is not None or not timeout_ms:
        return json_bytes(waiting.nothing() if body is None else body)
    return ParkedEvents(waiting, timeout_ms / 1000)


async def get_one_event(request: Request, services: Services) -> Response:
    """Return an event of any room that the requester may see it in."""
    event_id, user_id = request.path["event_id"], request.requester.user_id
    stored = await services.registry.events.by_id(event_id)
    if stored is None:
        raise not_found("There is no such event, or you may not see it.")
    (room,) = await services.registry.rooms.page(stored.room - 1, 1)
    readable, event = await services.access.visible_event(room.room_id, event_id, user_id)
    reader = await reader_of(request, services, readable.room)
    return json_bytes(await services.renderer.render_one(readable.room, event, reader))


async def initial_sync(request: Request, services: Services) -> Answer:
    """Return all rooms of the requester with their state and latest messages."""
    query, requester = request.query, request.requester
    limit = min(query.integer("limit", DEFAULT_EVENT_LIMIT, 0), MAX_MESSAGES_OF_EACH)
    shown = ("join", "invite", "leave", "ban") if query.boolean("archived", False) else ("join", "invite")
    stream = await services.notifier.stream(requester.user_id)
    end = services.sync.token().position
    rows = [row for row in stream.memberships.values() if row.membership in shown]

    async def body() -> AsyncIterator[bytes]:
        yield b'{"end":"%b","presence":[%b],' % (
            page_token(end).encode(),
            _presence(request, services, stream),
        )
        yield b'"account_data":%b,"rooms":[' % await _account_data(services, requester.user_id, None)
        first = True
        for row in rows:
            part = await _room(request, services, row, limit)
            if part is not None:
                yield part if first else b"," + part
                first = False
        yield b"]}"

    return StreamResponse(200, body())


async def _room(request: Request, services: Services, row: MembershipRow, limit: int) -> bytes | None:
    user_id = request.requester.user_id
    if row.membership == "invite":
        room = await services.registry.get(row.room_id)
        stored = await services.registry.events.by_ids([row.event_id])
        reader = await reader_of(request, services, room)
        written = await services.renderer.render(room, [TimelineEvent(event) for event in stored], reader)
        invite = {"room_id": row.room_id, "membership": "invite", "invite": orjson.Fragment(written[0])}
        return orjson.dumps(invite)
    try:
        readable = await services.access.readable(row.room_id, user_id)
    except MatrixError:  # left meanwhile and forgotten, or never entered
        return None
    snapshot = await room_snapshot(request, services, readable, limit)
    snapshot["membership"] = row.membership
    snapshot["account_data"] = orjson.Fragment(await _account_data(services, user_id, row.room_id))
    return orjson.dumps(snapshot)


async def _account_data(services: Services, user_id: str, room_id: str | None) -> bytes:
    """Return the account data of a room, or what belongs to none, as JSON array."""
    if room_id is None:
        rows = await services.account_data_view.all_of(user_id)
        rows = [row for row in rows if row.room_id == GLOBAL]
    else:
        rows = await services.account_data_view.of_room(user_id, room_id)
    return orjson.dumps([{"type": row.type, "content": orjson.Fragment(row.content)} for row in rows])


def _presence(request: Request, services: Services, stream: UserStream) -> bytes:
    reader = Reader(request.requester.user_id, request.requester.device_id)
    wanted = SyncRequest(reader, None, parse_filter({}), full_state=False, state_after=False)
    return b",".join(services.sync.presence(wanted, stream))


_CLIENT = "/_matrix/client/v3"

ROUTES = [
    Route("GET", f"{_CLIENT}/events", get_events, "getEvents", Auth.GUEST, RateClass.READS),
    Route("GET", f"{_CLIENT}/events/{{event_id}}", get_one_event, "getOneEvent", Auth.USER, RateClass.READS),
    Route("GET", f"{_CLIENT}/initialSync", initial_sync, "initialSync", Auth.USER, RateClass.SEARCH),
]
