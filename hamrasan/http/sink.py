"""From bytes to exchanges: a parser, its limits, and what it has collected of one message.

A sink belongs to a connection only while a message is arriving; waiting connections have none. That is what keeps a
parked poll small.
"""

from __future__ import annotations

from typing import NoReturn, Protocol

import httptools

from hamrasan.http.errors import response_to
from hamrasan.http.exchange import Exchange, refusal
from hamrasan.http.limits import (
    FEED_BYTES,
    HEAD_FEED_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_PARTIAL_BYTES,
    MAX_TARGET_BYTES,
)
from hamrasan.protocol.errors import MatrixError, too_large, unavailable
from hamrasan.runtime.log import get_logger

_log = get_logger(__name__)

MALFORMED = "malformedRequest"
"""The operation under which requests are counted that are no HTTP, or break a limit before they are routed."""

_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")}
_CHUNK_OVERHEAD = 16
"""Bytes of chunk sizes, extensions and line ends for each byte of body; one-byte chunks need six."""


class Owner(Protocol):
    """The connection, as the sink needs it."""

    def prepare(self, method: str, target: str, headers: dict[bytes, bytes]) -> Exchange:
        """Return the exchange for a head that is complete."""


class Budget:
    """What all sinks of an edge hold of requests that are not complete."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = 0


class Sink:
    """Collects messages for its `owner`; complete ones are in `completed`.

    A malformed message ends in an exchange with the refusal, in its place in the order, and `broken` is set: no
    further byte of the connection means anything.
    """

    __slots__ = (
        "_begun_now",
        "_body",
        "_body_size",
        "_budget",
        "_fed",
        "_held",
        "_refused",
        "_target",
        "broken",
        "completed",
        "current",
        "on_header",
        "owner",
        "parser",
        "partial",
        "raw_headers",
    )

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = 0
        self.owner: Owner | None = None
        self.raw_headers: dict[bytes, bytes] = {}
        self.on_header = self.raw_headers.__setitem__  # called for each header, so without a Python frame
        self.completed: list[Exchange] = []
        self.current: Exchange | None = None
        """The exchange whose body is arriving."""
        self.partial = False
        """Whether a message has begun that is not complete."""
        self.broken = False
        self._target = b""
        self._body: list[bytes] = []
        self._body_size = 0
        self._begun_now = False
        self._fed = 0
        """Bytes of the current message that were fed, but for the slice that it began in."""
        self._refused: MatrixError | None = None
        self.parser = httptools.HttpRequestParser(self)

    @property
    def body_received(self) -> int:
        """Return the bytes of body received of the current message."""
        return self._body_size

    def feed(self, data: bytes) -> int:
        """Parse from `data` and return how much was used: at least one message, if there is one, but not many.

        Never raises. Once the sink is broken, nothing means anything and all is used.
        """
        size = len(data)
        if size <= HEAD_FEED_BYTES and not self.broken:
            self._feed(data)
            return size
        view = memoryview(data)
        used = 0
        while used < size and not self.completed and not self.broken:
            most = HEAD_FEED_BYTES if self.current is None else FEED_BYTES
            self._feed(view[used : used + most])
            used += most
        return size if self.broken else min(used, size)

    def release(self) -> None:
        """Hold nothing any more: the connection is closed."""
        self._hold(0)

    def _hold(self, size: int) -> None:
        self._budget.used += size - self._held
        self._held = size

    def time_out(self) -> None:
        """Refuse the message that is half there."""
        self._refuse(MatrixError(408, "M_UNKNOWN", "The request did not arrive in time."))

    def _feed(self, data: bytes | memoryview) -> None:
        self._begun_now = False
        if self._held:
            self._hold(0)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # We speak nothing else: the request was taken as if it had not asked, and is the last one.
            self.broken = True
        except httptools.HttpParserError as error:
            self._refuse(self._refused or self._reason(error))
        else:
            # What a message had before its first whole slice is less than one, and not worth counting.
            if self.partial and not self._begun_now:
                self._fed += len(data)
                self._check_overhead()
            if self.partial and (self.current is None or self.current.stream is None):
                self._hold(max(self._fed, self._body_size))
                if self._budget.used > MAX_PARTIAL_BYTES:
                    self._refuse(unavailable("The server is receiving too much at once; please try again."))

    def _reason(self, error: httptools.HttpParserError) -> MatrixError:
        if isinstance(error, httptools.HttpParserCallbackError):
            _log.error("the parser's callbacks failed", exc_info=error)
            return MatrixError(500, "M_UNKNOWN", "Something went wrong on this server.")
        return MatrixError(400, "M_UNRECOGNIZED", "This is not a well-formed HTTP/1.1 request.")

    def _check_overhead(self) -> None:
        """Refuse heads and chunk frames without end. Both are counted by what was fed, less what was body."""
        if self.current is None:
            if self._fed > MAX_HEAD_BYTES:
                self._refuse(_head_too_large())
        elif self._fed > MAX_HEAD_BYTES + (1 + _CHUNK_OVERHEAD) * self._body_size:
            self._refuse(MatrixError(400, "M_UNRECOGNIZED", "The chunks of the body carry almost nothing."))

    def _refuse(self, error: MatrixError) -> None:
        self._hold(0)
        self._body.clear()
        self.broken = True
        self.partial = False
        exchange = self.current
        if exchange is None or (exchange.early is None and exchange.stream is None):
            method = "" if exchange is None else exchange.method
            self.completed.append(refusal(method, MALFORMED, response_to(error, MALFORMED)))
            return
        exchange.keep_alive = False
        exchange.unread = True
        if exchange.stream is not None:
            exchange.stream.fail(error)
        else:
            # Refused already: why it was is of more use than what was wrong with its body.
            self.completed.append(exchange)

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        self.raw_headers.clear()
        self._target = b""
        self._fed = 0
        self._body_size = 0
        self.partial = True
        self._begun_now = True

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_headers_complete(self) -> None:
        target = self._target
        if len(target) > MAX_TARGET_BYTES:
            self._stop(414, "M_TOO_LARGE", f"The address may have at most {MAX_TARGET_BYTES} bytes.")
        if len(self.raw_headers) > MAX_HEADERS:
            self._stop(431, "M_TOO_LARGE", f"At most {MAX_HEADERS} headers are read.")
        headers = {name.lower(): value for name, value in self.raw_headers.items()}
        try:
            text = target.decode()
        except UnicodeDecodeError:
            self._stop(400, "M_INVALID_PARAM", "The address is not UTF-8.")
        raw_method: bytes = self.parser.get_method()
        method = _METHODS.get(raw_method) or raw_method.decode()
        assert self.owner is not None
        exchange = self.owner.prepare(method, text, headers)
        exchange.keep_alive = self.parser.should_keep_alive()
        if not exchange.keep_alive or b"connection" in headers:
            self._read_version(exchange)
        if b"host" not in headers and not exchange.old_version:
            self._stop(400, "M_UNRECOGNIZED", "A request of HTTP/1.1 needs a Host header.")
        if b"upgrade" in headers or method == "CONNECT":
            self._read_upgrade(exchange, headers)
        exchange.expects_continue = headers.get(b"expect", b"").lower() == b"100-continue"
        self.current = exchange
        self._body_size = 0
        if exchange.stream is not None:
            self.completed.append(exchange)
        length = headers.get(b"content-length")
        if length is not None and int(length) > exchange.body_limit:
            self._refuse_body(exchange)

    def on_body(self, chunk: bytes) -> None:
        exchange = self.current
        assert exchange is not None
        self._body_size += len(chunk)
        if self._body_size > exchange.body_limit:
            self._refuse_body(exchange)
        if exchange.stream is not None:
            exchange.stream.feed(chunk)
        else:
            self._body.append(chunk)

    def on_message_complete(self) -> None:
        exchange = self.current
        assert exchange is not None
        if exchange.stream is not None:
            exchange.stream.end()
        else:
            parts = self._body
            if parts:
                exchange.set_body(parts[0] if len(parts) == 1 else b"".join(parts))
                parts.clear()
            else:
                exchange.set_body(b"")
            self.completed.append(exchange)
        self.current = None
        self.partial = False
        self.broken = not exchange.keep_alive  # the parser takes nothing after a last request

    def _read_version(self, exchange: Exchange) -> None:
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            self._stop(505, "M_UNRECOGNIZED", "This server speaks HTTP/1.1.")
        exchange.old_version = version == "1.0"

    def _read_upgrade(self, exchange: Exchange, headers: dict[bytes, bytes]) -> None:
        """The parser takes what follows for the other protocol, so a body would be lost, or read as a request."""
        if self.parser.should_upgrade():
            exchange.keep_alive = False
            if b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0":
                self._stop(400, "M_UNRECOGNIZED", "This server does not change to another protocol.")

    def _refuse_body(self, exchange: Exchange) -> NoReturn:
        self._refused = too_large(f"The body of this request may have at most {exchange.body_limit} bytes.")
        raise self._refused

    def _stop(self, status: int, errcode: str, message: str) -> NoReturn:
        self._refused = MatrixError(status, errcode, message)
        raise self._refused


def _head_too_large() -> MatrixError:
    return MatrixError(
        431, "M_TOO_LARGE", f"Address and headers may have at most {MAX_HEAD_BYTES} bytes together."
    )
