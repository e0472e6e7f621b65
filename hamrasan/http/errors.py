"""The one place where an error becomes an answer (client-server API, "Standard error response")."""

from __future__ import annotations

import asyncio
import math

from hamrasan.http.response import Response, json_response
from hamrasan.http.router import MethodNotAllowed
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.log import get_logger

_log = get_logger(__name__)


def response_to(error: BaseException, operation: str) -> Response:
    """Return the answer to a request that ended with `error`.

    A `MatrixError` is told as it is. Anything else is our fault: it is logged with its traceback, and the client learns
    only that it happened. `operation` names the endpoint in the log.
    """
    if isinstance(error, MatrixError):
        try:
            return json_response(error.status, error.body(), _headers_of(error))
        except TypeError as unwritable:
            error = unwritable
    if isinstance(error, asyncio.CancelledError):
        return json_response(
            503, {"errcode": "M_UNKNOWN", "error": "The server is stopping; please try again."}
        )
    _log.error("a request failed", operation=operation, exc_info=error)
    return json_response(500, {"errcode": "M_UNKNOWN", "error": "Something went wrong on this server."})


def _headers_of(error: MatrixError) -> tuple[tuple[str, str], ...]:
    if isinstance(error, MethodNotAllowed):
        return (("Allow", ", ".join(error.allow)),)
    wait = error.extra.get("retry_after_ms")
    if error.status == 429 and isinstance(wait, (int, float)):
        return (("Retry-After", str(max(1, math.ceil(wait / 1000)))),)
    return ()
