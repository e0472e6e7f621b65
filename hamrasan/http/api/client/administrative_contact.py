"""E-mail addresses and phone numbers of accounts (client-server API, "Adding Account Administrative Contact
Information").

This server keeps none and trusts no identity server: the list is empty, and adding is refused (`m.3pid_changes`).
"""

from __future__ import annotations

import msgspec

from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.http.third_party import EmailValidation, PhoneValidation
from hamrasan.protocol.errors import MatrixError, invalid_param


class Credentials(msgspec.Struct):
    """A session of validation at an identity server."""

    client_secret: str
    id_server: str
    sid: str
    id_access_token: str | None = None


class DeprecatedBody(msgspec.Struct):
    """The body of `POST /account/3pid`."""

    three_pid_creds: Credentials


class AddBody(msgspec.Struct):
    """The body of `POST /account/3pid/add`."""

    client_secret: str
    sid: str


class RemoveBody(msgspec.Struct):
    """The body of `POST /account/3pid/delete` and `/unbind`."""

    medium: str
    address: str
    id_server: str | None = None


async def get_third_party_ids(_request: Request, _services: Services) -> Response:
    """List the requester's addresses and numbers: none."""
    return ok({"threepids": []})


async def refuse_deprecated(request: Request, _services: Services) -> Response:
    """Refuse credentials of an identity server that nobody asked."""
    request.decode(DeprecatedBody)
    raise _unproven()


async def refuse_to_add(request: Request, _services: Services) -> Response:
    """Refuse a session of validation: this server has begun none."""
    request.decode(AddBody)
    raise _unproven()


async def refuse_to_bind(request: Request, _services: Services) -> Response:
    """Refuse to speak to an identity server."""
    request.decode(Credentials)
    raise MatrixError(403, "M_SERVER_NOT_TRUSTED", "This server trusts no identity server.")


async def remove(request: Request, _services: Services) -> Response:
    """Remove what is not there; no identity server is known from which it would have to be unbound."""
    body = request.decode(RemoveBody)
    if body.medium not in ("email", "msisdn"):
        raise invalid_param("'medium' must be 'email' or 'msisdn'.")
    return ok({"id_server_unbind_result": "no-support"})


async def refuse_email(request: Request, _services: Services) -> Response:
    """Refuse to send a mail."""
    request.decode(EmailValidation)
    raise _unsupported("e-mail addresses")


async def refuse_phone(request: Request, _services: Services) -> Response:
    """Refuse to send a short message."""
    request.decode(PhoneValidation)
    raise _unsupported("phone numbers")


def _unproven() -> MatrixError:
    return MatrixError(
        403,
        "M_THREEPID_AUTH_FAILED",
        "Nobody has proved that this address or number is theirs; none can be added here.",
    )


def _unsupported(what: str) -> MatrixError:
    return MatrixError(400, "M_THREEPID_MEDIUM_NOT_SUPPORTED", f"Accounts of this server have no {what}.")


_IDS = "/_matrix/client/v3/account/3pid"
_USER, _NOBODY, _LIMIT, _JSON = Auth.USER, Auth.NONE, RateClass.ACCOUNT, Body.JSON_OBJECT

ROUTES = [
    Route("GET", _IDS, get_third_party_ids, "getAccount3PIDs", _USER, RateClass.READS),
    Route("POST", _IDS, refuse_deprecated, "post3PIDs", _USER, _LIMIT, _JSON),
    Route("POST", _IDS + "/add", refuse_to_add, "add3PID", _USER, _LIMIT, _JSON),
    Route("POST", _IDS + "/bind", refuse_to_bind, "bind3PID", _USER, _LIMIT, _JSON),
    Route("POST", _IDS + "/delete", remove, "delete3pidFromAccount", _USER, _LIMIT, _JSON),
    Route("POST", _IDS + "/unbind", remove, "unbind3pidFromAccount", _USER, _LIMIT, _JSON),
    Route(
        "POST", _IDS + "/email/requestToken", refuse_email, "requestTokenTo3PIDEmail", _NOBODY, _LIMIT, _JSON
    ),
    Route(
        "POST",
        _IDS + "/msisdn/requestToken",
        refuse_phone,
        "requestTokenTo3PIDMSISDN",
        _NOBODY,
        _LIMIT,
        _JSON,
    ),
]
