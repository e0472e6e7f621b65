"""Rooms that one shares with somebody (client-server API, "Mutual Rooms")."""

from __future__ import annotations

import re
from typing import Any

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import invalid_param
from hamrasan.protocol.identifiers import is_noncompliant_user_id

PAGE = 500
"""Rooms of one answer: 25 kB, and more than nearly anybody shares."""
_TOKEN = re.compile(r"m1_([0-9]{1,15})", re.ASCII)


async def get_mutual_rooms(request: Request, services: Services) -> Response:
    """Return the rooms that both the requester and another user are in, page by page.

    A token names the last room of its page, by the order in which rooms were made; so it does not expire, and rooms
    that are joined meanwhile move none of the others.
    """
    return ok(await _page(request, services, "from", "next_batch"))


async def get_mutual_rooms_as_drafted(request: Request, services: Services) -> Response:
    """Return the same as clients ask for it that know the draft only (MSC2666)."""
    return ok(await _page(request, services, "batch_token", "next_batch_token"))


async def _page(request: Request, services: Services, start: str, end: str) -> dict[str, Any]:
    other = request.query.required("user_id")
    requester = request.requester.user_id
    if is_noncompliant_user_id(other):
        raise invalid_param("The parameter 'user_id' is not a user id.")
    if other == requester:
        raise invalid_param("These would be all of your rooms; ask for somebody else's.")
    after = _parse_token(request.query.one(start))
    rooms = await services.membership.mutual_rooms(requester, other)
    rest = [(number, room_id) for number, room_id in rooms if number > after]
    answer: dict[str, Any] = {"joined": [room_id for _, room_id in rest[:PAGE]], "count": len(rooms)}
    if len(rest) > PAGE:
        answer[end] = f"m1_{rest[PAGE - 1][0]}"
    return answer


def _parse_token(text: str | None) -> int:
    if text is None:
        return 0
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise invalid_param("This is no token of this list; begin again without it.")
    return int(match[1])


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v1/mutual_rooms",
        get_mutual_rooms,
        "getMutualRooms",
        Auth.USER,
        RateClass.SEARCH,
    ),
    Route(
        "GET",
        "/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms",
        get_mutual_rooms_as_drafted,
        "getMutualRoomsAsDrafted",
        Auth.USER,
        RateClass.SEARCH,
    ),
]
