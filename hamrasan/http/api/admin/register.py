"""Registration with the shared secret, as `register_new_matrix_user` and other programs for Synapse do it."""

from __future__ import annotations

import msgspec

from hamrasan.accounts.profiles import DISPLAY_NAME, check_value
from hamrasan.flows.register_with_secret import SignedRequest
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services


class RegisterBody(msgspec.Struct):
    """The body of `POST /_synapse/admin/v1/register`."""

    nonce: str
    username: str
    password: str
    mac: str
    admin: bool = False
    user_type: str | None = None
    displayname: str | None = None
    inhibit_login: bool = False


async def get_nonce(_request: Request, services: Services) -> Response:
    """Give a nonce that one request can be signed with."""
    return ok({"nonce": services.register_with_secret.new_nonce()})


async def register(request: Request, services: Services) -> Response:
    """Make an account for whoever has signed the request with the shared secret."""
    body = request.decode(RegisterBody)
    wanted = SignedRequest(
        body.nonce, body.username, body.password, body.mac, body.admin, body.user_type, body.inhibit_login
    )
    if body.displayname:
        check_value(DISPLAY_NAME, body.displayname)
    registered = await services.register_with_secret.register(wanted, request.client_address)
    if body.displayname:
        await services.change_profile.set_field(registered.user_id, DISPLAY_NAME, body.displayname)
    return ok({**registered.answer(), "home_server": services.settings.server_name})


_REGISTER = "/_synapse/admin/v1/register"

ROUTES = [
    Route("GET", _REGISTER, get_nonce, "adminRegisterNonce", Auth.NONE, RateClass.REGISTRATION),
    Route("POST", _REGISTER, register, "adminRegister", Auth.NONE, RateClass.REGISTRATION, Body.JSON_OBJECT),
]
