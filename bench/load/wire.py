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

    __slots__ = ("_chunked", "_missing", "_parts", "_size", "_tail")

    _parts: list[bytes]
    _size: int
    _missing: int
    _chunked: bool
    _tail: bytes

    def __init__(self) -> None:
        self._reset()

    def feed(self, data: bytes) -> Response | None:
        """Take bytes as they came; return the response once it is whole. Raises `BenchError` on nonsense."""
        if self._parts:
            if not self._may_be_whole(data):
                return None
            data = b"".join(self._parts)
        response = self._parse(data)
        if response is not None:
            if self._parts or self._chunked:
                self._reset()
        elif not self._parts:
            self._parts.append(data)
            self._size = len(data)
            self._tail = data[-len(_LAST_CHUNK) :]
        return response

    def _reset(self) -> None:
        self._parts = []
        self._size = 0
        self._missing = 0
        self._chunked = False
        self._tail = b""

    def _may_be_whole(self, data: bytes) -> bool:
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_RESPONSE_BYTES:
            raise BenchError("a response of more than half a gigabyte")
        self._missing -= len(data)
        self._tail = (self._tail + data)[-len(_LAST_CHUNK) :]
        return self._missing <= 0 and (not self._chunked or self._tail == _LAST_CHUNK)

    def _parse(self, data: bytes) -> Response | None:
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        head = data[: head_end + 2]
        body_start = head_end + 4
        length = _LENGTH.search(head)
        if length is not None:
            body_end = body_start + int(length[1])
            if len(data) < body_end:
                self._missing = body_end - len(data)
                return None
            body: bytes | None = data[body_start:body_end]
        elif _CHUNKED.search(head) is not None:
            self._chunked = True
            body = _read_chunks(data, body_start)
        else:
            raise BenchError(f"a response without a length: {head[:200]!r}")
        if body is None:
            return None
        return Response(int(head[9:12]), body, _CLOSE.search(head) is not None)


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
