"""Reports to the server's administrators (client-server API, "Reporting Content")."""

from __future__ import annotations

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import invalid_param

WORST_SCORE = -100
"""`score` goes from this to 0, the mildest (client-server API until version 1.17)."""


class EventReport(msgspec.Struct):
    """Why an event is reported."""

    reason: str = ""
    score: int | None = None


class Report(msgspec.Struct):
    """Why a room or a user is reported; may be blank."""

    reason: str


async def report_event(request: Request, services: Services) -> Response:
    """Report an event."""
    body = request.decode(EventReport)
    if body.score is not None and not WORST_SCORE <= body.score <= 0:
        raise invalid_param(f"The field 'score' must be from {WORST_SCORE} to 0.")
    path = request.path
    await services.reports.report_event(
        request.requester.user_id, path["room_id"], path["event_id"], body.reason, body.score
    )
    return empty()


async def report_room(request: Request, services: Services) -> Response:
    """Report a room."""
    body = request.decode(Report)
    await services.reports.report_room(request.requester.user_id, request.path["room_id"], body.reason)
    return empty()


async def report_user(request: Request, services: Services) -> Response:
    """Report a user."""
    body = request.decode(Report)
    await services.reports.report_user(request.requester.user_id, request.path["user_id"], body.reason)
    return empty()


_ROOM = "/_matrix/client/v3/rooms/{room_id}/report"
_USER = "/_matrix/client/v3/users/{user_id}/report"

ROUTES = [
    Route("POST", _ROOM, report_room, "reportRoom", Auth.USER, RateClass.ACCOUNT, Body.JSON_OBJECT),
    Route(
        "POST",
        _ROOM + "/{event_id}",
        report_event,
        "reportEvent",
        Auth.USER,
        RateClass.ACCOUNT,
        Body.JSON_OPTIONAL,
    ),
    Route("POST", _USER, report_user, "reportUser", Auth.USER, RateClass.ACCOUNT, Body.JSON_OBJECT),
]
