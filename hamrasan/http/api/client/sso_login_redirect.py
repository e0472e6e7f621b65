"""Where apps send browsers that cannot do OAuth 2.0 (client-server API, "SSO client login/authentication")."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from hamrasan.http.api.oauth.addresses import SSO, UPSTREAM
from hamrasan.http.own_url import own_url
from hamrasan.http.request import Request
from hamrasan.http.response import Response, redirect
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import not_found


async def redirect_to_sso(request: Request, services: Services) -> Response:
    """Send a browser to our own page, which asks whether the app may in."""
    return redirect(urlsplit(own_url(request, services)).path + _page(request))


async def redirect_to_provider(request: Request, services: Services) -> Response:
    """Send a browser to a provider, and from there to our own page."""
    provider = services.sign_in_upstream.providers.get(request.path["idp_id"])
    if provider is None:
        raise not_found("This server has no such identity provider.")
    query = urlencode({"continue": _page(request)})
    return redirect(f"{urlsplit(own_url(request, services)).path}{UPSTREAM}/{provider.id}?{query}")


def _page(request: Request) -> str:
    target = request.query.required("redirectUrl")
    action = request.query.choice("action", ("login", "register"), "login")
    query = {"redirectUrl": target, **({"action": action} if action == "register" else {})}
    return f"{SSO}?{urlencode(query)}"


_REDIRECT = "/_matrix/client/v3/login/sso/redirect"

ROUTES = [
    Route("GET", _REDIRECT, redirect_to_sso, "redirectToSSO", Auth.NONE, RateClass.READS),
    Route("GET", _REDIRECT + "/{idp_id}", redirect_to_provider, "redirectToIdP", Auth.NONE, RateClass.READS),
]
