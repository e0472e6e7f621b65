"""Sending server notices, as programs for Synapse do it."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.flows.server_notices import Notice
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.identifiers import check_opaque_id
from hamrasan.rooms.new_event import Transaction


class NoticeBody(msgspec.Struct):
    """The body of `POST /_synapse/admin/v1/send_server_notice`."""

    user_id: str
    content: dict[str, Any]
    type: str = "m.room.message"
    state_key: str | None = None


async def send_notice(request: Request, services: Services) -> Response:
    """Send a notice to one user; with a transaction id, once."""
    request.strict_json()
    body = request.decode(NoticeBody)
    txn_id = request.path.get("txn_id")
    txn = None
    if txn_id is not None:
        check_opaque_id(txn_id, "transaction id")
        txn = Transaction(request.requester.device_id, txn_id)
    notice = Notice(body.user_id, body.type, body.state_key, body.content)
    return ok({"event_id": await services.server_notices.send(notice, txn)})


_SEND = "/_synapse/admin/v1/send_server_notice"

ROUTES = [
    Route("POST", _SEND, send_notice, "sendServerNotice", Auth.ADMIN, RateClass.ADMIN, Body.JSON_OBJECT),
    Route(
        "PUT",
        _SEND + "/{txn_id}",
        send_notice,
        "sendServerNoticeOnce",
        Auth.ADMIN,
        RateClass.ADMIN,
        Body.JSON_OBJECT,
    ),
]
