"""Errors of the Matrix protocol (client-server API, "Standard error response").

Every refusal in the code base is a `MatrixError`; `hamrasan.http` is the one place that turns it into an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class MatrixError(Exception):
    """A refusal that the other side is told about.

    `errcode` is the specification's code, `message` a sentence for a person, `status` the HTTP status,
    `extra` further members of the error object (`retry_after_ms`, `soft_logout`, ...).
    """

    def __init__(
        self, status: int, errcode: str, message: str, extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(errcode, message)
        self.status = status
        self.errcode = errcode
        self.message = message
        self.extra: Mapping[str, Any] = extra or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the error response."""
        return {**self.extra, "errcode": self.errcode, "error": self.message}


def bad_json(message: str) -> MatrixError:
    """The request is JSON, but not of the form that the endpoint takes."""
    return MatrixError(400, "M_BAD_JSON", message)


def not_json(message: str = "The request body is not valid JSON.") -> MatrixError:
    """The request body is not JSON at all."""
    return MatrixError(400, "M_NOT_JSON", message)


def invalid_param(message: str) -> MatrixError:
    """A parameter has a value that is not allowed."""
    return MatrixError(400, "M_INVALID_PARAM", message)


def missing_param(name: str) -> MatrixError:
    """A required parameter is absent."""
    return MatrixError(400, "M_MISSING_PARAM", f"The parameter '{name}' is required.")


def forbidden(message: str) -> MatrixError:
    """The requester may not do this."""
    return MatrixError(403, "M_FORBIDDEN", message)


def not_found(message: str) -> MatrixError:
    """There is no such thing, or the requester may not know of it."""
    return MatrixError(404, "M_NOT_FOUND", message)


def too_large(message: str) -> MatrixError:
    """The request or the event is larger than allowed."""
    return MatrixError(413, "M_TOO_LARGE", message)


def limit_exceeded(retry_after_ms: int) -> MatrixError:
    """Too many requests; the caller should wait `retry_after_ms`."""
    return MatrixError(
        429,
        "M_LIMIT_EXCEEDED",
        "Too many requests; please wait a little.",
        {"retry_after_ms": retry_after_ms},
    )


def unavailable(message: str) -> MatrixError:
    """The server cannot do this now (for example, the disk is full); trying again later may help."""
    return MatrixError(503, "M_UNKNOWN", message)
