"""Messages from device to device (client-server API, "Send-to-Device messaging")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.identifiers import check_opaque_id, check_user_ids


class MessagesBody(msgspec.Struct):
    """The body of `PUT /sendToDevice/{eventType}/{txnId}`."""

    messages: dict[str, dict[str, dict[str, Any]]]


async def send_to_device(request: Request, services: Services) -> Response:
    """Send messages to devices; repeating a transaction id sends nothing."""
    requester, txn_id = request.requester, request.path["txn_id"]
    check_opaque_id(txn_id, "transaction id")
    messages = request.decode(MessagesBody).messages
    check_user_ids(messages)
    await services.to_device.send(
        requester.user_id, requester.device_id, txn_id, request.path["event_type"], messages
    )
    return empty()


ROUTES = [
    Route(
        "PUT",
        "/_matrix/client/v3/sendToDevice/{event_type}/{txn_id}",
        send_to_device,
        "sendToDevice",
        Auth.USER,
        RateClass.KEYS,
        Body.JSON_OBJECT,
    ),
]
