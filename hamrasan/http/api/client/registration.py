"""Registration (client-server API, "Account registration")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.flows.open_session import WantedDevice
from hamrasan.flows.register import WantedAccount, guests_are_refused
from hamrasan.http.application_service import requesting_service
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.third_party import EmailValidation, PhoneValidation
from hamrasan.protocol.errors import MatrixError, invalid_param

APPLICATION_SERVICE = "m.login.application_service"


class RegisterBody(msgspec.Struct):
    """The body of `POST /register`."""

    auth: Any = None
    username: str | None = None
    password: str | None = None
    device_id: str | None = None
    initial_device_display_name: str | None = None
    inhibit_login: bool = False
    refresh_token: bool = False
    type: str | None = None


async def register(request: Request, services: Services) -> Response:
    """Make an account and log in to it; people first complete a flow of user-interactive authentication."""
    kind = request.query.one("kind")
    if kind == "guest":
        raise guests_are_refused()
    if kind not in (None, "user"):
        raise invalid_param("'kind' must be 'user' or 'guest'.")
    body = request.decode(RegisterBody)
    device = WantedDevice(body.device_id, body.initial_device_display_name, body.refresh_token)
    wanted = WantedAccount(body.username, body.password, device, body.inhibit_login)
    if body.type == APPLICATION_SERVICE:
        registered = await services.act_for_service.register(requesting_service(request), wanted)
    else:
        registered = await services.register.register(wanted, body.auth, request.client_address)
    return ok({**registered.answer(), "home_server": services.settings.server_name})


async def check_availability(request: Request, services: Services) -> Response:
    """Say that a user name can be registered, or why not."""
    await services.register.check_available(request.query.required("username"))
    return ok({"available": True})


async def refuse_email(request: Request, services: Services) -> Response:
    """Refuse to send a mail: this server keeps no addresses."""
    request.decode(EmailValidation)
    raise _denied("e-mail addresses")


async def refuse_phone(request: Request, services: Services) -> Response:
    """Refuse to send a short message: this server keeps no phone numbers."""
    request.decode(PhoneValidation)
    raise _denied("phone numbers")


def _denied(what: str) -> MatrixError:
    return MatrixError(
        403, "M_THREEPID_DENIED", f"Accounts of this server have no {what}; please register without."
    )


_REGISTER = "/_matrix/client/v3/register"
_NOBODY, _LIMIT, _JSON = Auth.NONE, RateClass.REGISTRATION, Body.JSON_OBJECT

ROUTES = [
    Route("POST", _REGISTER, register, "register", Auth.ENTRY, _LIMIT, _JSON),
    Route("GET", _REGISTER + "/available", check_availability, "checkUsernameAvailability", _NOBODY, _LIMIT),
    Route(
        "POST",
        _REGISTER + "/email/requestToken",
        refuse_email,
        "requestTokenToRegisterEmail",
        _NOBODY,
        _LIMIT,
        _JSON,
    ),
    Route(
        "POST",
        _REGISTER + "/msisdn/requestToken",
        refuse_phone,
        "requestTokenToRegisterMSISDN",
        _NOBODY,
        _LIMIT,
        _JSON,
    ),
]
