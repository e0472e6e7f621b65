"""Requests to application services (application service API, "Authorisation", "Legacy routes")."""

from __future__ import annotations

from collections import Counter
from typing import Literal
from urllib.parse import urlencode

from hamrasan.policy.application_services import ApplicationService
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.outbound import Outbound, OutboundAnswer, OutboundFailed, Reach

MAX_ANSWER_BYTES = 256 * 1024
"""Of an answer: hundreds of rooms of a network. What is longer, or has no end, is given up."""

MAX_QUESTIONS = 8
"""Questions of people to one service that are under way: fewer than connections to one host (`runtime/outbound.py`), so
that whoever asks much does not hold up its transactions."""

Method = Literal["GET", "POST", "PUT"]


class ServiceClient:
    """Asks application services."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._questions: Counter[str] = Counter()

    async def question(
        self, service: ApplicationService, path: str, *, timeout_s: float, legacy: str
    ) -> OutboundAnswer:
        """Return a service's answer to a question that somebody may have caused; raises also if too many are asked."""
        if self._questions[service.id] >= MAX_QUESTIONS:
            raise OutboundFailed("unreachable", "too many questions to this service are under way")
        self._questions[service.id] += 1
        try:
            return await self.ask(service, "GET", path, timeout_s=timeout_s, legacy=legacy)
        finally:
            self._questions[service.id] -= 1

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
