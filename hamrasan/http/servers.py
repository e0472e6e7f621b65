"""Admits other servers: `Auth.SERVER`."""

from __future__ import annotations

from typing import Any

from hamrasan.federation.request_check import RemoteServer, RequestCheck
from hamrasan.http.gate import Authenticator
from hamrasan.http.rate_limit import RateLimiter
from hamrasan.http.request import Request
from hamrasan.protocol.errors import MatrixError, bad_json


def recognises_servers(check: RequestCheck, limiter: RateLimiter) -> Authenticator:
    """Return what finds the server that a request comes from.

    An address from which too many requests came that nobody had signed is refused before anything is looked up for it.
    """

    async def recognise(request: Request) -> Any:
        if limiter.has_failures:
            limiter.check_failures(request.client_address)
        try:
            return await check.check(
                request.method, request.target, request.header("authorization"), request.body
            )
        except MatrixError as error:
            if error.status == 401:
                limiter.count_failure(request.client_address)
            raise

    return recognise


def origin_of(request: Request) -> str:
    """Return the name of the server that a request with `Auth.SERVER` comes from."""
    requester: RemoteServer = request.requester
    return requester.origin


def content_of(request: Request) -> dict[str, Any]:
    """Return the object that another server sent and signed; raise `M_BAD_JSON` for anything else.

    Events of old rooms may be in it, so there may be any number; whoever reads them looks at that.
    """
    requester: RemoteServer = request.requester
    if not isinstance(requester.content, dict):
        raise bad_json("The request body must be a JSON object.")
    return requester.content
