"""What only application services may ask for."""

from __future__ import annotations

from typing import Any

from hamrasan.accounts.requester import Requester
from hamrasan.accounts.tokens import unknown_token
from hamrasan.flows.act_for_service import ActForService
from hamrasan.http.gate import Authenticator, Identify
from hamrasan.http.request import Request
from hamrasan.protocol.errors import MatrixError, forbidden, invalid_param
from hamrasan.protocol.limits import MAX_CANONICAL_INT


def requesting_service(request: Request) -> str:
    """Return the id of the application service that asks; raise `M_MISSING_TOKEN` or `M_UNKNOWN_TOKEN` if it is none.

    For endpoints with `Auth.ENTRY` ("Server admin style permissions").
    """
    if request.is_authenticated:
        requester: Requester = request.requester
        if requester.application_service is not None:
            return requester.application_service
    if request.access_token is None:
        raise MatrixError(401, "M_MISSING_TOKEN", "This needs the token of an application service.")
    raise unknown_token("No application service has this token.")


def service_of(request: Request) -> str:
    """Return the id of the application service whose token it is; raise `M_FORBIDDEN` for people."""
    requester: Requester = request.requester
    if requester.application_service is None:
        raise forbidden("Only application services may do this.")
    return requester.application_service


def massaged_timestamp(request: Request) -> int | None:
    """Return the `ts` that an application service gives its event ("Timestamp massaging"); None if it gives none.

    Raises `M_INVALID_PARAM` for what no event can have. Of people it is not read.
    """
    requester: Requester = request.requester
    if requester.application_service is None:
        return None
    timestamp = request.query.integer("ts", maximum=MAX_CANONICAL_INT + 1)
    if timestamp is not None and timestamp > MAX_CANONICAL_INT:
        raise invalid_param("'ts' must be a time in milliseconds since 1970.")
    return timestamp


def identifies(act_for_service: ActForService) -> Identify:
    """Return what reads from a request as whom an application service speaks, and on which device."""

    async def identify(requester: Any, request: Request) -> Any:
        query = request.query
        device_id = query.one("device_id") or query.one("org.matrix.msc3202.device_id")
        return await act_for_service.identify(requester, query.one("user_id"), device_id)

    return identify


def recognises(act_for_service: ActForService) -> Authenticator:
    """Return what finds the application service that a request comes from, if it comes from one."""

    async def recognise(request: Request) -> Any:
        return act_for_service.recognise(request.access_token)

    return recognise
