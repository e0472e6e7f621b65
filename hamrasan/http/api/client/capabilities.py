"""What the server lets its users do (client-server API, "Capabilities negotiation")."""

from __future__ import annotations

from typing import Any

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.room_versions import DEFAULT_ROOM_VERSION
from hamrasan.rooms.new_rooms import CREATABLE_VERSIONS

ROOM_VERSION_STABILITY = {
    version.id: "stable" if version.stable else "unstable" for version in CREATABLE_VERSIONS
}
"""Rooms of these versions can be created, and other rooms upgraded to them."""


async def get_capabilities(request: Request, services: Services) -> Response:
    """Return what the requester can do; what has to be confirmed with a password needs one.

    Who is suspended keeps the profile as it is.
    """
    requester = request.requester
    has_password = await services.reauthentication.is_possible(requester.user_id)
    capabilities: dict[str, Any] = {
        "m.room_versions": {"default": DEFAULT_ROOM_VERSION, "available": ROOM_VERSION_STABILITY},
        "m.change_password": {"enabled": has_password},
        "m.get_login_token": {"enabled": has_password},
        "m.profile_fields": {"enabled": not requester.is_suspended},
        "m.set_displayname": {"enabled": not requester.is_suspended},
        "m.set_avatar_url": {"enabled": not requester.is_suspended},
        "m.3pid_changes": {"enabled": False},
        "m.forget_forced_upon_leave": {"enabled": False},
        "m.webpush": {"enabled": True, "vapid": services.vapid.public_key},  # MSC4174
    }
    if requester.is_admin:
        capabilities["m.account_moderation"] = {"suspend": True, "lock": True}
    return ok({"capabilities": capabilities})


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v3/capabilities",
        get_capabilities,
        "getCapabilities",
        Auth.GUEST,
        RateClass.READS,
    ),
]
