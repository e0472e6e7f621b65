"""Subscriptions to threads (MSC4306), and catching up with them (MSC4308, "Companion endpoint")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import invalid_param
from hamrasan.rooms.thread_subscriptions import described
from hamrasan.rooms.tokens import page_token, parse_position

DEFAULT_LIMIT = 100
"""Changes of a page where the client does not say (the proposal's default)."""
MAX_LIMIT = 500
"""Changes of a page at most, whatever the client asks: some 100 KiB."""


class SubscriptionBody(msgspec.Struct):
    """The body of `PUT .../subscription`."""

    automatic: str | None = None
    """The event for which a client subscribes by itself; absent where the user wishes it."""


async def get_subscription(request: Request, services: Services) -> Response:
    """Return whether the requester's subscription to a thread is an automatic one."""
    row = await services.thread_subscriptions.of(*_thread(request))
    return ok({"automatic": row.automatic})


async def subscribe(request: Request, services: Services) -> Response:
    """Subscribe the requester to a thread."""
    cause = request.decode(SubscriptionBody).automatic
    await services.thread_subscriptions.subscribe(*_thread(request), cause)
    return empty()


async def unsubscribe(request: Request, services: Services) -> Response:
    """End the requester's subscription to a thread."""
    await services.thread_subscriptions.unsubscribe(*_thread(request))
    return empty()


async def list_changes(request: Request, services: Services) -> Response:
    """Return a page of the last that the requester said about threads, the latest first."""
    query = request.query
    if query.required("dir") != "b":
        raise invalid_param("The parameter 'dir' must be 'b': the latest subscriptions come first.")
    limit = query.integer("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    start, stop = query.one("from"), query.one("to")
    changes = await services.thread_subscriptions.changes(
        request.requester.user_id,
        0 if stop is None else parse_position(stop),
        None if start is None else parse_position(start),
        limit,
    )
    answer: dict[str, Any] = dict(described(changes.rows))
    if changes.rest is not None:
        answer["end"] = page_token(changes.rest)
    return ok(answer)


def _thread(request: Request) -> tuple[str, str, str]:
    """Return the requester, the room and the thread's root that the address names."""
    return request.requester.user_id, request.path["room_id"], request.path["thread_root"]


_UNSTABLE = "/_matrix/client/unstable"
_ONE = _UNSTABLE + "/io.element.msc4306/rooms/{room_id}/thread/{thread_root}/subscription"
_ALL = _UNSTABLE + "/io.element.msc4308/thread_subscriptions"
_READ, _CHANGE = RateClass.READS, RateClass.EPHEMERAL

ROUTES = [
    Route("GET", _ONE, get_subscription, "getThreadSubscription", Auth.USER, _READ),
    Route("PUT", _ONE, subscribe, "subscribeToThread", Auth.USER, _CHANGE, Body.JSON_OBJECT),
    Route("DELETE", _ONE, unsubscribe, "unsubscribeFromThread", Auth.USER, _CHANGE),
    Route("GET", _ALL, list_changes, "listThreadSubscriptions", Auth.USER, _READ),
]
