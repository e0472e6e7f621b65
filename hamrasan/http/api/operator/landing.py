"""The page at the server's own address."""

from __future__ import annotations

from hamrasan.http.own_url import own_url
from hamrasan.http.pages.landing import landing_page
from hamrasan.http.request import Request
from hamrasan.http.response import Response
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services


async def get_landing_page(request: Request, services: Services) -> Response:
    """Say what this is and how to get in."""
    settings = services.settings
    return landing_page(settings.server_name, own_url(request, services), settings.registration)


ROUTES = [Route("GET", "/", get_landing_page, "getLandingPage", Auth.NONE, RateClass.READS)]
