"""Delayed events (MSC4140): sending later, putting off, cancelling."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from hamrasan.flows.delayed_events import ACTIONS, Draft
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.protocol.errors import MatrixError, invalid_param
from hamrasan.storage.ports.delayed_events import DelayedEventRow

MARK = "org.matrix.msc4140."
"""What the query of a request that delays an event has in it."""
_DELAY = f"{MARK}delay"
_PARENT = f"{MARK}parent_delay_id"
STATUSES = ("scheduled", "finalised")


class ActionBody(msgspec.Struct):
    """The body of `POST /delayed_events/{delay_id}`."""

    action: str


async def delay(request: Request, services: Services, state_key: str | None, txn_id: str | None) -> Response:
    """Keep the event of a request to send one, for as long as its query says."""
    requester = active_requester(request)
    if request.query.one(_PARENT) is not None:
        raise invalid_param("This server cannot let one delayed event wait for another.")
    delay_ms = request.query.integer(_DELAY)
    if delay_ms is None:
        raise invalid_param(f"'{_DELAY}' must be a number of milliseconds.")
    path = request.path
    draft = Draft(path["room_id"], path["event_type"], state_key, request.strict_json(), delay_ms)
    delay_id = await services.delayed_events.add(requester.user_id, requester.device_id, txn_id, draft)
    return ok({"delay_id": delay_id})


async def list_events(request: Request, services: Services) -> Response:
    """List the requester's delayed events: what is scheduled, and what became of others."""
    query = request.query
    status, wanted = query.choice("status", STATUSES), query.one("delay_id")
    rows = await services.delayed_events.of_user(request.requester.user_id)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in STATUSES if status in (None, name)}
    for row in rows:
        name = "scheduled" if row.outcome is None else "finalised"
        if name in found and wanted in (None, row.delay_id):
            found[name].append(_shown(row))
    return ok(found)


async def get_event(request: Request, services: Services) -> Response:
    """Return one of the requester's delayed events."""
    return ok(_shown(await services.delayed_events.of(request.requester.user_id, request.path["delay_id"])))


async def act(request: Request, services: Services) -> Response:
    """Cancel, restart or send a delayed event; who knows its id needs no token."""
    request.json()
    action = ACTIONS.get(request.path["action"])
    if action is None:
        raise MatrixError(404, "M_UNRECOGNIZED", "Delayed events can be cancelled, restarted and sent.")
    await services.delayed_events.act(request.path["delay_id"], action)
    return empty()


async def act_by_body(request: Request, services: Services) -> Response:
    """Do the same, as clients of an earlier draft ask for it."""
    action = ACTIONS.get(request.decode(ActionBody).action)
    if action is None:
        raise invalid_param("'action' must be 'cancel', 'restart' or 'send'.")
    await services.delayed_events.act(request.path["delay_id"], action)
    return empty()


def _shown(row: DelayedEventRow) -> dict[str, Any]:
    event: dict[str, Any] = {
        "delay_id": row.delay_id,
        "room_id": row.room_id,
        "type": row.type,
        "delay": row.delay_ms,
        "running_since": row.running_since,
        "content": orjson.Fragment(row.content),
    }
    if row.state_key is not None:
        event["state_key"] = row.state_key
    if row.outcome is None:
        return event
    shown: dict[str, Any] = {"delayed_event": event, "outcome": row.outcome, "reason": row.reason}
    if row.error is not None:
        shown["error"] = orjson.Fragment(row.error)
    if row.event_id is not None:
        shown.update(event_id=row.event_id, origin_server_ts=row.finalised_ts)
    return shown


_ALL = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
_ONE = _ALL + "/{delay_id}"
_ANYBODY, _LIMIT = Auth.OPTIONAL, RateClass.MESSAGES

ROUTES = [
    Route("GET", _ALL, list_events, "listDelayedEvents", Auth.USER, RateClass.READS),
    Route("GET", _ONE, get_event, "getDelayedEvent", Auth.USER, RateClass.READS),
    Route("POST", _ONE, act_by_body, "updateDelayedEvent", _ANYBODY, _LIMIT, Body.JSON_OBJECT),
    Route("POST", _ONE + "/{action}", act, "actOnDelayedEvent", _ANYBODY, _LIMIT, Body.JSON_OPTIONAL),
]
