"""Joins through this server (server-server API, "Joining Rooms")."""

from __future__ import annotations

from hamrasan.http.event_answers import answer_with_events, in_turn
from hamrasan.http.request import Request
from hamrasan.http.response import StreamResponse
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.servers import content_of, origin_of
from hamrasan.http.services import Services


async def send_join(request: Request, services: Services) -> StreamResponse:
    """Let a user of another server join, and return the room's state."""
    return await in_turn(services.long_answers, origin_of(request), lambda: _join(request, services))


async def _join(request: Request, services: Services) -> StreamResponse:
    path, omit_members = request.path, request.query.boolean("omit_members")
    found = await services.serve_join.join(
        origin_of(request), path["room_id"], path["event_id"], content_of(request), omit_members=omit_members
    )
    lists = {"state": found.state, "auth_chain": found.auth_chain}
    return answer_with_events(services.served_events, found.members, lists)


ROUTES = [
    Route(
        "PUT",
        "/_matrix/federation/v2/send_join/{room_id}/{event_id}",
        send_join,
        "sendJoinV2",
        Auth.SERVER,
        RateClass.FEDERATION,
        Body.JSON_OBJECT,
    ),
]
