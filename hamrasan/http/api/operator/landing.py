"""The page at the server's own address."""

from __future__ import annotations

import re

from hamrasan.http.pages.landing import landing_page
from hamrasan.http.request import Request
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services

_HOST = re.compile(r"(?: [0-9A-Za-z.-]{1,255} | \[ [0-9A-Fa-f:.]{2,45} \] ) (?: : [0-9]{1,5} )?", re.VERBOSE)


async def get_landing_page(request: Request, services: Services) -> Response:
    """Say what this is and how to get in."""
    settings = services.settings
    return landing_page(settings.server_name, _url(request, services), settings.registration)


def _url(request: Request, services: Services) -> str:
    """Return where apps reach the server: if the operator has not said so, where this browser did."""
    host = request.header("host") or ""
    if services.settings.public_url is None and _HOST.fullmatch(host):
        return f"http://{host}"
    return services.settings.base_url


ROUTES = [Route("GET", "/", get_landing_page, "getLandingPage", Auth.NONE, RateClass.READS)]
