"""Where other servers find this one (server-server API, `GET /.well-known/matrix/server`)."""

from __future__ import annotations

from urllib.parse import urlsplit

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found

HTTPS_PORT = 443


def get_server(_request: Request, services: Services) -> Response:
    """Return the public address, at which other servers are served, too; without one they look at port 8448."""
    public_url = services.settings.public_url
    url = None if public_url is None else urlsplit(public_url)
    if url is None or url.scheme != "https":
        raise not_found("This server names no other place for servers.")
    host = url.netloc if url.port is not None else f"{url.netloc}:{HTTPS_PORT}"
    return ok({"m.server": host})


ROUTES = [Route("GET", "/.well-known/matrix/server", get_server, "getWellKnown", Auth.NONE)]
