"""A client so plain that it sends whatever it is told, and so strict that it notices when an answer is malformed."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass

BODILESS = (204, 304)
MAX_HEAD = 64 * 1024


class NoAnswer(Exception):
    """Nothing, or not all of it, came in time."""


class Closed(Exception):
    """The connection ended where an answer should have been."""


class Malformed(Exception):
    """What came is not HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


class Wire:
    """One connection."""

    def __init__(self, port: int, patience: float = 5.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""
        self.used = False

    def send(self, data: bytes) -> None:
        """Send all of it, or as much as the server takes before it closes: it may refuse what is too long early."""
        self._socket.settimeout(5.0)
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._socket.sendall(data)

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()

    def answer(self, method: str, patience: float) -> Answer:
        """Return the next answer. Raises `NoAnswer`, `Closed`, `Malformed`."""
        deadline = time.monotonic() + patience
        while True:
            found = self._one(method, deadline)
            if found.status >= 200:
                self.used = True
                return found

    def _one(self, method: str, deadline: float) -> Answer:
        status, headers = _head(self._until(b"\r\n\r\n", deadline))
        if method == "HEAD" or status in BODILESS or status < 200:
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, self._chunks(deadline))
        if "content-length" in headers:
            return Answer(status, headers, self._exactly(int(headers["content-length"]), deadline))
        raise Malformed(f"an answer with {status} tells no length: {headers}")

    def _chunks(self, deadline: float) -> bytes:
        parts = []
        while True:
            line = self._until(b"\r\n", deadline)
            try:
                size = int(line, 16)
            except ValueError:
                raise Malformed(f"the size of a chunk is {line[:50]!r}") from None
            parts.append(self._exactly(size, deadline))
            if self._exactly(2, deadline) != b"\r\n":
                raise Malformed("a chunk does not end where it should")
            if size == 0:
                return b"".join(parts)

    def _until(self, end: bytes, deadline: float) -> bytes:
        while end not in self._read:
            if len(self._read) > MAX_HEAD:
                raise Malformed(f"no end of the head after {self._read[:80]!r}")
            self._more(deadline)
        found, _, self._read = self._read.partition(end)
        return found

    def _exactly(self, size: int, deadline: float) -> bytes:
        while len(self._read) < size:
            self._more(deadline)
        found, self._read = self._read[:size], self._read[size:]
        return found

    def _more(self, deadline: float) -> None:
        self._socket.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            data = self._socket.recv(256 * 1024)
        except TimeoutError:
            raise NoAnswer(f"{len(self._read)} bytes were there: {self._read[:80]!r}") from None
        except ConnectionError as error:
            raise Closed(str(error)) from None
        if not data:
            if self._read:
                raise Malformed(f"the connection ended in an answer, after {self._read[:80]!r}")
            raise Closed("the connection was closed")
        self._read += data


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not rest[:3].isdigit():
        raise Malformed(f"the answer begins with {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Malformed(f"a header is {line[:80]!r}")
        headers[name.lower()] = value.strip()
    return int(rest[:3]), headers
