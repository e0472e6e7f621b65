"""The devices of a user (server-server API, "Device Management")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found
from hamrasan.protocol.identifiers import is_of_server, parse_user_id


async def get_devices(request: Request, services: Services) -> Response:
    """Return the devices of a user of this server with their keys; of somebody who has left it, none."""
    user_id = request.path["user_id"]
    parse_user_id(user_id)
    is_local = is_of_server(user_id, services.settings.server_name)
    if not is_local or await services.accounts.find(user_id) is None:
        raise not_found(f"There is no user {user_id} on this server.")
    return ok(await services.served_devices.of(user_id))


ROUTES = [
    Route(
        "GET",
        "/_matrix/federation/v1/user/devices/{user_id}",
        get_devices,
        "getUserDevices",
        Auth.SERVER,
        RateClass.FEDERATION,
    ),
]
