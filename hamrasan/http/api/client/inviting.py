"""Inviting users (client-server API, "Joining rooms")."""

from __future__ import annotations

import msgspec

from hamrasan.http.api.client.third_party_membership import THIRD_PARTY_KEYS, invite_by_third_party_id
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester


class InviteBody(msgspec.Struct):
    """Body of `inviteUser`."""

    user_id: str
    reason: str | None = None


async def invite_user(request: Request, services: Services) -> Response:
    """Invite a user by id, or a person by address, which has an endpoint of its own under the same path."""
    requester = active_requester(request)
    keys = request.strict_json().keys()
    if "user_id" not in keys and not THIRD_PARTY_KEYS.isdisjoint(keys):
        return await invite_by_third_party_id(request, services)
    body = request.decode(InviteBody)
    await services.membership.invite(request.path["room_id"], requester.user_id, body.user_id, body.reason)
    return empty()


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/rooms/{room_id}/invite",
        invite_user,
        "inviteUser",
        Auth.USER,
        RateClass.ROOMS,
        Body.JSON_OBJECT,
    ),
]
