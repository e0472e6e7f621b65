"""What a handler returns: a response, now or once something is done, a stream, or a parked request."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol

import orjson

JSON = "application/json"
HTML = "text/html; charset=utf-8"

Headers = tuple[tuple[str, str], ...]


class Response:
    """A complete answer. `headers` are extra ones; length, date, connection and CORS headers are the edge's."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self, status: int, body: bytes, content_type: str = JSON, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers: Headers = tuple(headers)


class StreamResponse:
    """An answer whose body is produced while it is sent; the iterator is not asked for more while the client is slow.

    With `length` the body is sent as it is, without it in chunks. The iterator is closed in every case.
    """

    __slots__ = ("chunks", "content_type", "headers", "length", "status")

    def __init__(
        self,
        status: int,
        chunks: AsyncIterator[bytes],
        content_type: str = JSON,
        headers: Iterable[tuple[str, str]] = (),
        length: int | None = None,
    ) -> None:
        self.status = status
        self.chunks = chunks
        self.content_type = content_type
        self.headers: Headers = tuple(headers)
        self.length = length


class Connection(Protocol):
    """What a parked request sees of its connection."""

    def respond(self, response: Response) -> None:
        """Send the answer and end the request. To be called once, from the event loop's thread."""


class Parked(ABC):
    """A request that waits without task, future or timer: the object itself is the waiter.

    Sub-classes declare `__slots__` and keep only what the answer needs, never the `Request`. The edge calls `start`
    once; afterwards exactly one of these happens: the object calls `connection.respond`, or the edge calls one of
    `cancelled`, `expired`, `drained`. It must not use the connection after that.
    """

    __slots__ = ("timeout",)

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        """Seconds until `expired` is called (grain: a quarter of a second); None waits for ever."""

    @abstractmethod
    def start(self, connection: Connection) -> None:
        """Register with whatever will answer; may call `connection.respond` at once."""

    @abstractmethod
    def cancelled(self) -> None:
        """Forget everything: the client has gone."""

    @abstractmethod
    def expired(self) -> Response:
        """Unregister and return the answer for "nothing happened in time"."""

    def drained(self) -> Response:
        """Unregister and return an early answer, because the server stops. By default the same as `expired`."""
        return self.expired()


class Deferred:
    """A response that is true once `done` has ended; if that ends with an error, the error is answered.

    For what waits for one thing only, at its end: a coroutine that waits costs a task, and several times as much.
    """

    __slots__ = ("done", "response")

    def __init__(self, response: Response, done: asyncio.Future[None]) -> None:
        self.response = response
        self.done = done


Answer = Response | StreamResponse | Parked | Deferred
ANSWERS = (Response, StreamResponse, Parked, Deferred)
"""The same for `isinstance`; what is none of these is a coroutine that will return one."""


def ok(value: Any) -> Response:
    """Return 200 with `value` as JSON; `orjson.Fragment` may stand for ready-made parts."""
    return Response(200, orjson.dumps(value))


def json_response(status: int, value: Any, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Return `value` as JSON with a status of its own."""
    return Response(status, orjson.dumps(value), JSON, headers)


def json_bytes(body: bytes) -> Response:
    """Return 200 with a body that is JSON already."""
    return Response(200, body)


def empty() -> Response:
    """Return 200 with `{}`, which is how the specification says "done"."""
    return Response(200, b"{}")


def html(text: str, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """Return a page."""
    return Response(status, text.encode(), HTML, headers)


def redirect(location: str, status: int = 302) -> Response:
    """Return a redirection to `location`, which has to be percent-encoded already."""
    return Response(status, b"", "text/plain; charset=utf-8", (("Location", location),))
