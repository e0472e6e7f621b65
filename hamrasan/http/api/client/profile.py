"""Profiles (client-server API, "Profiles")."""

from __future__ import annotations

from typing import Any

from hamrasan.http.ownership import own_user_id
from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, json_bytes, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.suspension import active_requester
from hamrasan.protocol.errors import forbidden, missing_param
from hamrasan.protocol.identifiers import check_user_id, is_of_server

_NOT_YOURS = "You can only change your own profile."


async def get_profile(request: Request, services: Services) -> Response:
    """Return a whole profile."""
    user_id = request.path["user_id"]
    check_user_id(user_id)
    if _is_elsewhere(request, services, user_id):
        return ok(await services.remote_queries.profile(user_id))
    return json_bytes(await services.profiles.get(user_id))


async def get_field(request: Request, services: Services) -> Response:
    """Return one field of a profile."""
    user_id, field = request.path["user_id"], request.path["key_name"]
    check_user_id(user_id)
    if _is_elsewhere(request, services, user_id):
        return ok(await services.remote_queries.profile_field(user_id, field))
    return json_bytes(await services.profiles.get_field(user_id, field))


def _is_elsewhere(request: Request, services: Services, user_id: str) -> bool:
    """Return whether a user is of another server, which is asked for nobody but this server's own users."""
    if is_of_server(user_id, services.settings.server_name):
        return False
    if not request.is_authenticated:
        raise forbidden("Profiles of other servers' users are shown to users of this server only.")
    return True


async def set_field(request: Request, services: Services) -> Response:
    """Set a field of the requester's own profile, and repeat names and avatars in their rooms."""
    user_id, field = _own_field(request)
    body: dict[str, Any] = request.json()
    if field not in body:
        raise missing_param(field)
    await services.change_profile.set_field(user_id, field, body[field])
    return empty()


async def delete_field(request: Request, services: Services) -> Response:
    """Take a field out of the requester's own profile."""
    await services.change_profile.delete_field(*_own_field(request))
    return empty()


def _own_field(request: Request) -> tuple[str, str]:
    """Return user and field that the address names, if the requester may change them."""
    user_id = own_user_id(request, _NOT_YOURS)
    active_requester(request)
    return user_id, request.path["key_name"]


_PROFILE = "/_matrix/client/v3/profile/{user_id}"
_FIELD = _PROFILE + "/{key_name}"

ROUTES = [
    Route("GET", _PROFILE, get_profile, "getUserProfile", Auth.OPTIONAL, RateClass.READS),
    Route("GET", _FIELD, get_field, "getProfileField", Auth.OPTIONAL, RateClass.READS),
    Route("PUT", _FIELD, set_field, "setProfileField", Auth.USER, RateClass.ACCOUNT, Body.JSON_OBJECT),
    Route("DELETE", _FIELD, delete_field, "deleteProfileField", Auth.USER, RateClass.ACCOUNT),
]
