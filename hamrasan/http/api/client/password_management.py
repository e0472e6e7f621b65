"""Passwords (client-server API, "Password management")."""

from __future__ import annotations

from typing import Any

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.third_party import EmailValidation, PhoneValidation
from hamrasan.protocol.errors import MatrixError


class PasswordBody(msgspec.Struct):
    """The body of `POST /account/password`."""

    new_password: str
    logout_devices: bool = True
    auth: Any = None


async def change_password(request: Request, services: Services) -> Response:
    """Change the requester's password, after confirmation with the old one."""
    body = request.decode(PasswordBody)
    await services.change_password.change(
        request.requester,
        body.new_password,
        logout_devices=body.logout_devices,
        auth=body.auth,
        address=request.client_address,
    )
    return empty()


async def refuse_email(request: Request, _services: Services) -> Response:
    """Refuse to send a mail: nobody's address is known."""
    request.decode(EmailValidation)
    raise _unknown("e-mail address")


async def refuse_phone(request: Request, _services: Services) -> Response:
    """Refuse to send a short message: nobody's number is known."""
    request.decode(PhoneValidation)
    raise _unknown("phone number")


def _unknown(what: str) -> MatrixError:
    return MatrixError(
        400,
        "M_THREEPID_NOT_FOUND",
        f"No account has this {what}; please ask the server's administrators for a new password.",
    )


_PASSWORD = "/_matrix/client/v3/account/password"
_NOBODY, _LIMIT, _JSON = Auth.NONE, RateClass.LOGIN, Body.JSON_OBJECT

ROUTES = [
    Route("POST", _PASSWORD, change_password, "changePassword", Auth.USER, _LIMIT, _JSON),
    Route(
        "POST",
        _PASSWORD + "/email/requestToken",
        refuse_email,
        "requestTokenToResetPasswordEmail",
        _NOBODY,
        _LIMIT,
        _JSON,
    ),
    Route(
        "POST",
        _PASSWORD + "/msisdn/requestToken",
        refuse_phone,
        "requestTokenToResetPasswordMSISDN",
        _NOBODY,
        _LIMIT,
        _JSON,
    ),
]
