"""Which program this is (server-server API, `GET /_matrix/federation/v1/version`)."""

from __future__ import annotations

from hamrasan import __version__
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services


def get_version(_request: Request, _services: Services) -> Response:
    """Return name and version of the program."""
    return ok({"server": {"name": "Hamrasan", "version": __version__}})


ROUTES = [
    Route("GET", "/_matrix/federation/v1/version", get_version, "getVersion", Auth.NONE, RateClass.FEDERATION)
]
