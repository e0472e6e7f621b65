"""Redactions (client-server API, "Redactions")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.identifiers import check_opaque_id
from hamrasan.rooms.new_event import Transaction


async def redact_event(request: Request, services: Services) -> Response:
    """Redact an event; the body is the redaction's content, of which `reason` is the usual part.

    Suspended users may take back what is their own.
    """
    requester = request.requester
    path = request.path
    check_opaque_id(path["txn_id"], "transaction id")
    content = request.strict_json()
    content.pop("redacts", None)  # the address says it
    room = await services.access.joined(path["room_id"], requester.user_id)
    txn = Transaction(requester.device_id, path["txn_id"])
    event_id = await services.messages.redact(
        room, requester.user_id, path["event_id"], content, txn, only_own=requester.is_suspended
    )
    return ok({"event_id": event_id})


ROUTES = [
    Route(
        "PUT",
        "/_matrix/client/v3/rooms/{room_id}/redact/{event_id}/{txn_id}",
        redact_event,
        "redactEvent",
        Auth.USER,
        RateClass.MESSAGES,
        Body.JSON_OPTIONAL,
    ),
]
