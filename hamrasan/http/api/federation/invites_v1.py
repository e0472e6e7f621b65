"""Invites to rooms of the first two versions (server-server API, "Inviting to a room"), which stay on their servers."""

from __future__ import annotations

from hamrasan.flows.serve_handshakes import check_membership_event
from hamrasan.http.request import Request
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.servers import content_of, origin_of
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError


def send_invite(request: Request, _services: Services) -> Response:
    """Refuse an invite: it names no version of its room, so that is one of the first two."""
    check_membership_event(content_of(request), "invite", origin_of(request))
    raise MatrixError(
        400,
        "M_INCOMPATIBLE_ROOM_VERSION",
        "This server does not take part in rooms of versions 1 and 2 on other servers.",
        {"room_version": "1"},
    )


ROUTES = [
    Route(
        "PUT",
        "/_matrix/federation/v1/invite/{room_id}/{event_id}",
        send_invite,
        "sendInviteV1",
        Auth.SERVER,
        RateClass.FEDERATION,
        Body.JSON_OBJECT,
    ),
]
