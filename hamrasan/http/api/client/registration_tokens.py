"""Registration tokens (client-server API, "Token-authenticated registration")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services


async def check_validity(request: Request, services: Services) -> Response:
    """Say whether somebody could begin to register with a token now."""
    return ok({"valid": await services.register.is_token_valid(request.query.required("token"))})


ROUTES = [
    Route(
        "GET",
        "/_matrix/client/v1/register/m.login.registration_token/validity",
        check_validity,
        "registrationTokenValidity",
        Auth.NONE,
        RateClass.REGISTRATION,
    ),
]
