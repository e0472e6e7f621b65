"""Login (client-server API, "Login")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.accounts.user_identifier import parse_identifier
from hamrasan.flows.open_session import OpenedSession, WantedDevice
from hamrasan.http.application_service import requesting_service
from hamrasan.http.own_url import knows_own_url
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError, missing_param

PASSWORD = "m.login.password"
TOKEN = "m.login.token"

APPLICATION_SERVICE = "m.login.application_service"

SSO = "m.login.sso"

_ALWAYS = [{"type": PASSWORD}, {"type": TOKEN, "get_login_token": True}, {"type": APPLICATION_SERVICE}]


class LoginBody(msgspec.Struct):
    """The body of `POST /login`."""

    type: str
    identifier: Any = None
    user: Any = None
    medium: Any = None
    address: Any = None
    password: str | None = None
    token: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    refresh_token: bool = False

    def named(self) -> dict[str, Any]:
        """Return the members that may name a user."""
        members = {
            "identifier": self.identifier,
            "user": self.user,
            "medium": self.medium,
            "address": self.address,
        }
        return {name: value for name, value in members.items() if value is not None}


async def get_flows(request: Request, services: Services) -> Response:
    """List the ways to log in; without a public address nobody behind a proxy can use the browser."""
    in_browser = [sso_flow(services)] if knows_own_url(request, services) else []
    return ok({"flows": [*_ALWAYS, *in_browser]})


def sso_flow(services: Services) -> dict[str, Any]:
    """Return the way through a browser, which leads to our own page ("OAuth 2.0 aware clients")."""
    providers = services.sign_in_upstream.providers.values()
    known = [{"id": provider.id, "name": provider.name} for provider in providers]
    return {
        "type": SSO,
        "oauth_aware_preferred": True,
        # As clients call it that were made before the specification had it (MSC3824).
        "org.matrix.msc3824.delegated_oidc_compatibility": True,
        **({"identity_providers": known} if known else {}),
    }


async def log_in(request: Request, services: Services) -> Response:
    """Log somebody in with a password, a login token, or the token of an application service."""
    body = request.decode(LoginBody)
    session = await _open(body, services, request)
    answer = {**session.answer(), "home_server": services.settings.server_name}
    if services.settings.public_url is not None:
        answer["well_known"] = {"m.homeserver": {"base_url": services.settings.public_url}}
    return ok(answer)


async def _open(body: LoginBody, services: Services, request: Request) -> OpenedSession:
    address = request.client_address
    wanted = WantedDevice(body.device_id, body.initial_device_display_name, body.refresh_token)
    if body.type == PASSWORD:
        typed = parse_identifier(body.named())
        if body.password is None:
            raise missing_param("password")
        return await services.login.with_password(typed, body.password, wanted, address)
    if body.type == TOKEN:
        if body.token is None:
            raise missing_param("token")
        return await services.login.with_token(body.token, wanted, address)
    if body.type == APPLICATION_SERVICE:
        service_id = requesting_service(request)
        return await services.act_for_service.log_in(service_id, parse_identifier(body.named()), wanted)
    raise MatrixError(400, "M_UNKNOWN", "This server does not know this type of login.")


_LOGIN = "/_matrix/client/v3/login"

ROUTES = [
    Route("GET", _LOGIN, get_flows, "getLoginFlows", Auth.NONE),
    Route("POST", _LOGIN, log_in, "login", Auth.ENTRY, RateClass.LOGIN, Body.JSON_OBJECT),
]
