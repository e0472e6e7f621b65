"""Requests to application services (application service API, "Authorisation", "Legacy routes")."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

from hamrasan.policy.application_services import ApplicationService
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.outbound import Outbound, OutboundAnswer, Reach

MAX_ANSWER_BYTES = 256 * 1024
"""Of an answer: hundreds of rooms of a network. What is longer, or has no end, is given up."""

Method = Literal["GET", "POST", "PUT"]


class ServiceClient:
    """Asks application services."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def ask(
        self,
        service: ApplicationService,
        method: Method,
        path: str,
        *,
        timeout_s: float,
        body: bytes = b"",
        legacy: str | None = None,
    ) -> OutboundAnswer:
        """Return a service's answer, whatever its status; `path` comes after its URL.

        A service that does not know the path is asked under its older name `legacy`. Raises `OutboundFailed`, and
        `RuntimeError` for a service without a URL.
        """
        answer = await self._send(service, method, path, body, timeout_s)
        if legacy is None or not _is_unknown(answer):
            return answer
        # Services as old as that read the token from the query.
        query = "&" if "?" in legacy else "?"
        path = f"{legacy}{query}{urlencode({'access_token': service.hs_token})}"
        return await self._send(service, method, path, body, timeout_s)

    async def _send(
        self, service: ApplicationService, method: Method, path: str, body: bytes, timeout_s: float
    ) -> OutboundAnswer:
        if service.url is None:
            raise RuntimeError(f"the application service {service.id!r} has no URL")
        headers = {"Authorization": f"Bearer {service.hs_token}"}
        if body:
            headers["Content-Type"] = "application/json"
        return await self._outbound.send(
            method,
            service.url + path,
            timeout_s=timeout_s,
            max_bytes=MAX_ANSWER_BYTES,
            body=body,
            headers=headers,
            reach=Reach.ANYWHERE,
        )


def _is_unknown(answer: OutboundAnswer) -> bool:
    """Return whether the service does not know the path: not whether it knows what the path names."""
    if answer.status not in (404, 405):
        return False
    try:
        errcode = parse_json(answer.body).get("errcode")
    except (MatrixError, AttributeError):
        return True
    return errcode in (None, "M_UNRECOGNIZED")
