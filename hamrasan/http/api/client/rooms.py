"""Single events, the state and the members of rooms (client-server API, "Getting events for a room").

Who has left a room reads its state as it was when they left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hamrasan.http.event_lists import SLICE, event_list, reader_of
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Response, json_bytes, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found
from hamrasan.rooms.access import ReadableRoom
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.rooms.tokens import parse_position
from hamrasan.runtime.slices import give_way
from hamrasan.storage.ports.rooms import StoredEvent

MEMBERSHIPS = ("join", "invite", "knock", "leave", "ban")


async def get_event(request: Request, services: Services) -> Response:
    """Return one event."""
    readable, event = await services.access.visible_event(
        request.path["room_id"], request.path["event_id"], request.requester.user_id
    )
    reader = await reader_of(request, services, readable.room)
    return json_bytes(await services.renderer.render_one(readable.room, event, reader))


async def get_state(request: Request, services: Services) -> Answer:
    """Return all state events of a room."""
    readable = await _readable(request, services)
    state = await services.registry.state.at(readable.room.number, readable.upto)
    reader = await reader_of(request, services, readable.room)
    return await event_list(services, readable.room, [TimelineEvent(stored) for stored in state], reader)


async def get_state_event(request: Request, services: Services) -> Response:
    """Return the content of a state event, or all of it where `format=event`."""
    whole = request.query.choice("format", ("content", "event"), "content") == "event"
    readable = await _readable(request, services)
    key = (request.path["event_type"], request.path.get("state_key", ""))
    found = await services.registry.state.at(readable.room.number, readable.upto, [key])
    if not found:
        raise not_found(f"The room has no state of the type '{key[0]}' with the key '{key[1]}'.")
    if not whole:
        return json_bytes(found[0].content)
    reader = await reader_of(request, services, readable.room)
    return json_bytes(await services.renderer.render_one(readable.room, TimelineEvent(found[0]), reader))


async def get_members(request: Request, services: Services) -> Answer:
    """Return the memberships of a room, now or at a token."""
    query = request.query
    membership = query.choice("membership", MEMBERSHIPS)
    not_membership = query.choice("not_membership", MEMBERSHIPS)
    at = query.one("at")
    position = None if not at else parse_position(at)
    readable = await _readable(request, services)
    upto = readable.upto if position is None else min(position, readable.upto)
    room = readable.room
    members = await services.registry.state.members_at(room.number, room.known_state_at(upto))
    events = await _chosen(members, membership, not_membership)
    reader = await reader_of(request, services, room)
    return await event_list(services, room, events, reader, before=b'{"chunk":', after=b"}")


async def get_joined_members(request: Request, services: Services) -> Response:
    """Return who is in a room, with the names and avatars that they have there."""
    room = await services.access.joined(request.path["room_id"], request.requester.user_id)
    members = await services.registry.state.members_at(room.number, room.durable_head)
    joined: dict[str, Any] = {}
    for event in await _chosen(members, "join", None):
        content = event.content
        shown = {"display_name": content.get("displayname"), "avatar_url": content.get("avatar_url")}
        joined[event.stored.state_key or ""] = {k: v for k, v in shown.items() if isinstance(v, str)}
    return ok({"joined": joined})


async def _readable(request: Request, services: Services) -> ReadableRoom:
    return await services.access.readable(request.path["room_id"], request.requester.user_id)


async def _chosen(
    members: Sequence[StoredEvent], membership: str | None, not_membership: str | None
) -> list[TimelineEvent]:
    """Return those members who have one membership, or (if both are given) do not have the other."""
    if membership is None and not_membership is None:
        return [TimelineEvent(stored) for stored in members]
    chosen: list[TimelineEvent] = []
    for index, stored in enumerate(members):
        if index and index % SLICE == 0:
            await give_way()
        event = TimelineEvent(stored)
        has = event.content.get("membership")
        if has == membership or (not_membership is not None and has != not_membership):
            chosen.append(event)
    return chosen


_ROOM = "/_matrix/client/v3/rooms/{room_id}"
_STATE = _ROOM + "/state"

ROUTES = [
    Route("GET", _ROOM + "/event/{event_id}", get_event, "getOneRoomEvent", Auth.GUEST, RateClass.READS),
    Route("GET", _STATE, get_state, "getRoomState", Auth.GUEST, RateClass.READS),
    Route(
        "GET", _STATE + "/{event_type}", get_state_event, "getRoomStateWithKey", Auth.GUEST, RateClass.READS
    ),
    Route(
        "GET",
        _STATE + "/{event_type}/{state_key}",
        get_state_event,
        "getRoomStateWithKey",
        Auth.GUEST,
        RateClass.READS,
    ),
    Route("GET", _ROOM + "/members", get_members, "getMembersByRoom", Auth.GUEST, RateClass.READS),
    Route(
        "GET",
        _ROOM + "/joined_members",
        get_joined_members,
        "getJoinedMembersByRoom",
        Auth.USER,
        RateClass.READS,
    ),
]
