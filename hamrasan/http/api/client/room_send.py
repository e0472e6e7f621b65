"""Sending message events (client-server API, "Sending events to a room"): the busiest endpoint of the server."""

from __future__ import annotations

from hamrasan.http.api.client import delayed_events
from hamrasan.http.application_service import massaged_timestamp
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Deferred, json_bytes
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.protocol.identifiers import check_opaque_id
from hamrasan.rooms.messages import REDACTION, sends_plainly
from hamrasan.rooms.new_event import NewEvent, Transaction


async def send_message(request: Request, services: Services) -> Answer:
    """Send a message event; repeating a transaction id returns the first answer."""
    path = request.path
    event_type, txn_id = path["event_type"], path["txn_id"]
    requester = request.requester if event_type == REDACTION else active_requester(request)
    check_opaque_id(txn_id, "transaction id")
    if delayed_events.MARK in request.query_string:
        return await delayed_events.delay(request, services, None, txn_id)
    content = request.strict_json()
    room = await services.access.joined(path["room_id"], requester.user_id)
    txn = Transaction(requester.device_id, txn_id)
    sent_ts, durable = massaged_timestamp(request), None
    if sends_plainly(event_type, content):
        new = NewEvent(event_type, requester.user_id, content, txn=txn, origin_server_ts=sent_ts)
        event_id, durable = await services.registry.submit(room, new)
    else:
        event_id = await services.messages.send(
            room, requester.user_id, event_type, content, txn, sent_ts, only_own=requester.is_suspended
        )
    response = json_bytes(b'{"event_id":"%b"}' % event_id.encode())
    return response if durable is None else Deferred(response, durable)


ROUTES = [
    Route(
        "PUT",
        "/_matrix/client/v3/rooms/{room_id}/send/{event_type}/{txn_id}",
        send_message,
        "sendMessage",
        Auth.USER,
        RateClass.MESSAGES,
        Body.JSON_OBJECT,
    ),
]
