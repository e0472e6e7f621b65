"""The head of an answer, put together from parts that are ready-made."""

from __future__ import annotations

import email.utils
from http import HTTPStatus

from hamrasan.http.response import Headers

MAX_STARTS = 256
"""Ready-made starts that are kept. Media have many content types, and whoever uploads names them."""

CORS = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Methods: GET, POST, PUT, DELETE, OPTIONS\r\n"
    b"Access-Control-Allow-Headers: X-Requested-With, Content-Type, Authorization\r\n"
)
"""On every answer (client-server API, "Web Browser Clients")."""

PREFLIGHT_HEADERS: Headers = (("Access-Control-Max-Age", "86400"),)
"""Browsers ask once a day (or as seldom as they allow) instead of before each request: a round trip less."""

CONDITIONAL = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous"
"""Where browsers ask with conditions (rendezvous, MSC4108), which other endpoints do not know."""
CONDITIONAL_HEADERS: Headers = (
    *PREFLIGHT_HEADERS,
    ("Access-Control-Allow-Headers", "If-Match, If-None-Match"),
)
"""Browsers take what several headers of this name say together."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
KEEP = b""
"""HTTP/1.1 connections stay open unless somebody says otherwise."""
KEEP_OLD = b"Connection: keep-alive\r\n"
CLOSE = b"Connection: close\r\n"

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_BODILESS = frozenset([204, 304])
_starts: dict[tuple[int, str], bytes] = {}


def has_body(status: int) -> bool:
    """Return whether an answer with `status` may have a body (RFC 9110, section 6.4.1)."""
    return status not in _BODILESS


def head_for(
    status: int, content_type: str, headers: Headers, length: int | None, connection: bytes, date: bytes
) -> bytes:
    """Return the head of an answer; without `length` its body is sent in chunks, or ends with the connection.

    Raises `ValueError` for a header that would break out of its line, or that is not Latin-1.
    """
    start = _starts.get((status, content_type)) or _start(status, content_type)
    if headers:
        start += _lines(headers)
    if length is not None and status not in _BODILESS:
        return b"%bContent-Length: %d\r\n%b%b\r\n" % (start, length, connection, date)
    if length is None and connection is not CLOSE:
        connection += b"Transfer-Encoding: chunked\r\n"
    return b"%b%b%b\r\n" % (start, connection, date)


def _start(status: int, content_type: str) -> bytes:
    line = b"HTTP/1.1 %d %b\r\n" % (status, _REASONS.get(status, "Unknown").encode())
    if has_body(status):
        line += _lines((("Content-Type", content_type),))
    line += CORS
    if len(_starts) < MAX_STARTS:
        _starts[(status, content_type)] = line
    return line


def _lines(headers: Headers) -> bytes:
    lines = []
    for name, value in headers:
        if "\r" in value or "\n" in value or "\0" in value or not name.replace("-", "").isalnum():
            raise ValueError(f"the header {name} cannot be sent as it is")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("latin-1")


def date_line(seconds: int) -> bytes:
    """Return the Date header for a time since the Unix epoch."""
    return f"Date: {email.utils.formatdate(seconds, usegmt=True)}\r\n".encode()
