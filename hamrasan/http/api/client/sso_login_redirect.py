"""Where apps send browsers that cannot do OAuth 2.0 (client-server API, "SSO client login/authentication")."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from hamrasan.http.api.oauth.addresses import SSO
from hamrasan.http.own_url import own_url
from hamrasan.http.request import Request
from hamrasan.http.response import Response, redirect
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services


async def redirect_to_sso(request: Request, services: Services) -> Response:
    """Send a browser to our own page, which asks whether the app may in."""
    target = request.query.required("redirectUrl")
    action = request.query.choice("action", ("login", "register"), "login")
    query = {"redirectUrl": target, **({"action": action} if action == "register" else {})}
    return redirect(f"{urlsplit(own_url(request, services)).path}{SSO}?{urlencode(query)}")


_REDIRECT = "/_matrix/client/v3/login/sso/redirect"

ROUTES = [
    Route("GET", _REDIRECT, redirect_to_sso, "redirectToSSO", Auth.NONE, RateClass.READS),
]
