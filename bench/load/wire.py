"""HTTP/1.1 as the generators speak it: request bytes out, one response at a time in.

Only what a benchmark needs and no more, so that the generator stays far cheaper than any server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from bench.errors import BenchError

MAX_RESPONSE_BYTES = 512 * 2**20
"""An initial sync of 1,000 rooms is some 10 MB; half a gigabyte is a server gone wrong."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; `closing` when the server will close the connection after it."""

    status: int
    body: bytes
    closing: bool

    def expect_success(self, what: str) -> bytes:
        """Return the body; raises `BenchError` unless the status is 2xx."""
        if not 200 <= self.status < 300:
            raise BenchError(f"{what}: HTTP {self.status} {self.body[:300]!r}")
        return self.body


def request_bytes(method: str, target: str, token: str | None = None, body: bytes | None = None) -> bytes:
    """Return one request as bytes; `target` is the path with its query, already escaped."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def send_path(room_id: str) -> str:
    """Return the path of a message's PUT up to and with the slash before the transaction id."""
    return f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}/send/m.room.message/"


def sync_target(since: str | None, timeout_ms: int) -> str:
    """Return the target of a `/sync` without a filter; None as `since` asks for an initial sync."""
    after = "" if since is None else f"&since={quote(since, safe='')}"
    return f"/_matrix/client/v3/sync?timeout={timeout_ms}{after}"


class ResponseReader:
    """Collects the bytes of one connection into responses; no pipelining, so never two at once.

    What arrives is only appended until enough is there: joining at each read would make ten megabytes cost
    the square of that.
    """

    __slots__ = ("_missing", "_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._missing = 0

    def feed(self, data: bytes) -> Response | None:
        """Take bytes as they came; return the response once it is whole. Raises `BenchError` on nonsense."""
        if self._parts:
            self._parts.append(data)
            self._size += len(data)
            self._missing -= len(data)
            if self._missing > 0 or (self._missing < 0 and not data.endswith(_LAST_CHUNK)):
                self._check_size()
                return None
            data = b"".join(self._parts)
        response, self._missing = _parse(data)
        if response is not None:
            self._parts.clear()
            self._size = 0
        elif not self._parts:
            self._parts.append(data)
            self._size = len(data)
        return response

    def _check_size(self) -> None:
        if self._size > MAX_RESPONSE_BYTES:
            raise BenchError("a response of more than half a gigabyte")


def _parse(data: bytes) -> tuple[Response | None, int]:
    """Return the response that `data` holds, or None and how many bytes it lacks (0 while unknown)."""
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return None, 0
    head = data[: head_end + 2]
    body_start = head_end + 4
    length = _LENGTH.search(head)
    if length is not None:
        body_end = body_start + int(length[1])
        if len(data) < body_end:
            return None, body_end - len(data)
        body: bytes | None = data[body_start:body_end]
    elif _CHUNKED.search(head) is not None:
        body = _read_chunks(data, body_start)
    else:
        raise BenchError(f"a response without a length: {head[:200]!r}")
    if body is None:
        return None, 0
    return Response(int(head[9:12]), body, _CLOSE.search(head) is not None), 0


def _read_chunks(data: bytes, position: int) -> bytes | None:
    """Return the joined chunks that begin at `position`, or None while the last one is missing."""
    parts: list[bytes] = []
    while True:
        line_end = data.find(b"\r\n", position)
        if line_end < 0:
            return None
        size = int(data[position:line_end].partition(b";")[0], 16)
        start = line_end + 2
        if len(data) < start + size + 2:
            return None
        if size == 0:
            return b"".join(parts)
        parts.append(data[start : start + size])
        position = start + size + 2
