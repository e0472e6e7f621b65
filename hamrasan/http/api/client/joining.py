"""Joining rooms (client-server API, "Joining rooms")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.http.via import via_of


class JoinBody(msgspec.Struct):
    """Body of `joinRoom` and `joinRoomById`."""

    reason: str | None = None
    third_party_signed: dict[str, Any] | None = None


async def join_by_id(request: Request, services: Services) -> Response:
    """Join a room that is named by its id."""
    return await _join(request, services, request.path["room_id"])


async def join_by_id_or_alias(request: Request, services: Services) -> Response:
    """Join a room that is named by its id or an alias; `via` says which servers may be in it."""
    active_requester(request)
    place = await services.find_room.by_id_or_alias(request.path["room_id_or_alias"], via_of(request))
    return await _join(request, services, place.room_id, place.servers)


async def _join(request: Request, services: Services, room_id: str, servers: Sequence[str] = ()) -> Response:
    user_id = active_requester(request).user_id
    body = request.decode(JoinBody)
    await services.join_room.join(room_id, user_id, body.reason, body.third_party_signed, servers)
    return ok({"room_id": room_id})


_JOIN = "/_matrix/client/v3/rooms/{room_id}/join"
_JOIN_ANY = "/_matrix/client/v3/join/{room_id_or_alias}"

ROUTES = [
    Route("POST", _JOIN, join_by_id, "joinRoomById", Auth.USER, RateClass.ROOMS, Body.JSON_OPTIONAL),
    Route("POST", _JOIN_ANY, join_by_id_or_alias, "joinRoom", Auth.USER, RateClass.ROOMS, Body.JSON_OPTIONAL),
]
