"""The keys of this server (server-server API, "Publishing Keys")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_bytes
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services


def get_keys(_request: Request, services: Services) -> Response:
    """Return all keys of this server, signed with the present one."""
    return json_bytes(services.own_keys.answer())


ROUTES = [
    Route("GET", "/_matrix/key/v2/server", get_keys, "getServerKey", Auth.NONE, RateClass.FEDERATION),
]
