"""Pushers (client-server API, "Push Notifications", "Client behaviour")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.push.pushers import WantedPusher, public_form
from hamrasan.storage.ports.push import PusherId


class PusherBody(msgspec.Struct):
    """The body of `POST /pushers/set`."""

    pushkey: str
    app_id: str
    kind: str | None
    app_display_name: str | None = None
    device_display_name: str | None = None
    profile_tag: str | None = None
    lang: str | None = None
    data: dict[str, Any] | None = None
    append: bool = False


class AcknowledgeBody(msgspec.Struct):
    """The body of `POST /pushers/ack`."""

    app_id: str
    ack_token: str


async def get_pushers(request: Request, services: Services) -> Response:
    """Return the requester's pushers."""
    rows = await services.pushers.of_user(request.requester.user_id)
    return ok({"pushers": [public_form(row) for row in rows]})


async def set_pusher(request: Request, services: Services) -> Response:
    """Create, change or (with the kind null) delete a pusher of the requester."""
    body, requester = request.decode(PusherBody), request.requester
    pusher = PusherId(requester.user_id, body.app_id, body.pushkey)
    if body.kind is None:
        await services.pushers.delete(pusher)
        return empty()
    wanted = WantedPusher(
        body.kind, body.app_display_name, body.device_display_name, body.profile_tag, body.lang, body.data
    )
    is_active = await services.pushers.put(pusher, requester.device_id, wanted, append=body.append)
    return empty() if is_active else Response(201, b"{}")


async def acknowledge(request: Request, services: Services) -> Response:
    """Activate a pusher for Web Push by the token that it was sent (MSC4174)."""
    body = request.decode(AcknowledgeBody)
    await services.push_activations.acknowledge(request.requester.user_id, body.app_id, body.ack_token)
    return empty()


_PUSHERS = "/_matrix/client/v3/pushers"

DRAFT_ROUTES = [
    Route(
        "POST",
        _PUSHERS + "/ack",
        acknowledge,
        "acknowledgePusher",
        Auth.USER,
        RateClass.ACCOUNT,
        Body.JSON_OBJECT,
    ),
]
"""What the specification does not have yet; the proposal gives it no other name for the time being."""

ROUTES = [
    Route("GET", _PUSHERS, get_pushers, "getPushers", Auth.USER, RateClass.READS),
    Route(
        "POST", _PUSHERS + "/set", set_pusher, "postPusher", Auth.USER, RateClass.ACCOUNT, Body.JSON_OBJECT
    ),
    *DRAFT_ROUTES,
]
