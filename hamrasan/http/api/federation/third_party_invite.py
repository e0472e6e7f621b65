"""Invites to addresses (server-server API, "Third-party invites")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.servers import content_of, origin_of
from hamrasan.http.services import Services


class BoundBody(msgspec.Struct):
    """The body of `PUT /3pid/onbind`."""

    medium: str
    address: str
    mxid: str
    invites: list[dict[str, Any]]


async def exchange_invite(request: Request, services: Services) -> Response:
    """Invite a user of the other server who has proved that an invite to an address is for them."""
    await services.exchange_invite.exchange(origin_of(request), request.path["room_id"], content_of(request))
    return empty()


async def address_bound(request: Request, services: Services) -> Response:
    """Hear from an identity server that an address has become that of a user of this server."""
    body = request.decode(BoundBody)
    await services.exchange_invite.bound(body.mxid, list(body.invites))
    return empty()


_V1 = "/_matrix/federation/v1"

ROUTES = [
    Route(
        "PUT",
        _V1 + "/exchange_third_party_invite/{room_id}",
        exchange_invite,
        "exchangeThirdPartyInvite",
        Auth.SERVER,
        RateClass.FEDERATION,
        Body.JSON_OBJECT,
    ),
    Route(
        "PUT",
        _V1 + "/3pid/onbind",
        address_bound,
        "onBindThirdPartyIdentifier",
        Auth.NONE,
        RateClass.REGISTRATION,
        Body.JSON_OBJECT,
    ),
]
