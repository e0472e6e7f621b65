"""Registration, token and revocation endpoints of OAuth 2.0 (client-server API, "OAuth 2.0 API")."""

from __future__ import annotations

from collections.abc import Mapping

from hamrasan.accounts.oauth.client_metadata import DEVICE_CODE_GRANT
from hamrasan.accounts.oauth.codes import CodeBearer
from hamrasan.accounts.oauth.device_grants import INTERVAL_S, LIFETIME_MS
from hamrasan.accounts.oauth.errors import OAuthError, invalid_request
from hamrasan.accounts.oauth.scope import parse_scope
from hamrasan.http.api.oauth.addresses import DEVICE, LINK, REGISTER, REVOKE, TOKEN
from hamrasan.http.forms import MAX_FORM_BYTES, parse_form
from hamrasan.http.own_url import own_url
from hamrasan.http.request import Request
from hamrasan.http.response import Response, json_response
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError

MAX_METADATA_BYTES = 32 * 1024
"""What a client says of itself: ten addresses, and names in a dozen languages."""

_SECRET = (("Cache-Control", "no-store"),)


async def register(request: Request, services: Services) -> Response:
    """Register a client by what it says of itself."""
    try:
        said = request.json()
    except MatrixError:
        raise OAuthError("invalid_client_metadata", "The body must be a JSON object.") from None
    client = await services.oauth_clients.register(said)
    return json_response(201, {"client_id": client.client_id, **client.metadata.answer()}, _SECRET)


async def give_tokens(request: Request, services: Services) -> Response:
    """Give tokens for a code or a refresh token."""
    form = _form(request)
    kind = _required(form, "grant_type")
    if kind == "authorization_code":
        brought = CodeBearer(
            code=_required(form, "code"),
            client_id=_required(form, "client_id"),
            redirect_uri=_required(form, "redirect_uri"),
            verifier=_required(form, "code_verifier"),
        )
        granted = await services.oauth_tokens.for_code(brought, request.client_address)
    elif kind == "refresh_token":
        granted = await services.oauth_tokens.for_refresh_token(
            _required(form, "refresh_token"), _required(form, "client_id")
        )
    elif kind == DEVICE_CODE_GRANT:
        granted = await services.oauth_tokens.for_device_code(
            _required(form, "device_code"), _required(form, "client_id"), request.client_address
        )
    else:
        raise OAuthError("unsupported_grant_type", "This grant_type is not known here.")
    return json_response(200, granted.answer(), _SECRET)


async def begin_device_grant(request: Request, services: Services) -> Response:
    """Give a device a code to show, and one to ask with whether somebody has let it in (RFC 8628, section 3.2)."""
    form = _form(request)
    client = await services.oauth_clients.access(_required(form, "client_id"))
    begun = await services.oauth_device_grants.begin(client, parse_scope(form.get("scope", "")))
    page = own_url(request, services) + LINK
    members = {
        "device_code": begun.device_code,
        "user_code": begun.user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={begun.user_code}",
        "expires_in": LIFETIME_MS // 1000,
        "interval": INTERVAL_S,
    }
    return json_response(200, members, _SECRET)


async def revoke(request: Request, services: Services) -> Response:
    """Log out the device of a token, whoever brings it: somebody who found it does a good deed."""
    await services.oauth_tokens.revoke(_required(_form(request), "token"))
    return json_response(200, {}, _SECRET)


def _form(request: Request) -> dict[str, str]:
    try:
        return parse_form(request)
    except MatrixError as error:
        raise invalid_request(error.message) from None


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise invalid_request(f"The parameter '{name}' is required.")
    return value


ROUTES = [
    Route(
        "POST",
        REGISTER,
        register,
        "registerOAuthClient",
        Auth.NONE,
        RateClass.REGISTRATION,
        Body.RAW,
        MAX_METADATA_BYTES,
    ),
    Route(
        "POST", TOKEN, give_tokens, "giveOAuthTokens", Auth.NONE, RateClass.LOGIN, Body.RAW, MAX_FORM_BYTES
    ),
    Route(
        "POST",
        DEVICE,
        begin_device_grant,
        "beginDeviceGrant",
        Auth.NONE,
        RateClass.REGISTRATION,
        Body.RAW,
        MAX_FORM_BYTES,
    ),
    Route("POST", REVOKE, revoke, "revokeOAuthTokens", Auth.NONE, RateClass.LOGIN, Body.RAW, MAX_FORM_BYTES),
]
