"""Receipts (client-server API, "Receipts")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import invalid_param
from hamrasan.storage.ports.user_data import UNTHREADED


async def post_receipt(request: Request, services: Services) -> Response:
    """Mark a room, or a thread of it, as read up to an event."""
    thread_id = request.json().get("thread_id", None)
    if thread_id is not None and not (isinstance(thread_id, str) and thread_id):
        raise invalid_param("The field 'thread_id' must be a non-empty string.")
    path = request.path
    await services.receipts.mark(
        path["room_id"],
        request.requester.user_id,
        {path["receipt_type"]: path["event_id"]},
        UNTHREADED if thread_id is None else thread_id,
    )
    return empty()


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/rooms/{room_id}/receipt/{receipt_type}/{event_id}",
        post_receipt,
        "postReceipt",
        Auth.USER,
        RateClass.EPHEMERAL,
        Body.JSON_OPTIONAL,
    ),
]
