"""Thousands of client connections in one thread: non-blocking sockets over epoll, one request in flight each.

An asyncio client costs more for a delivery than a fast server does; this costs a third of that, so that one
core of generator can saturate one core of server.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable

from bench.errors import BenchError
from bench.load.wire import Response, ResponseReader

EVENTS_PER_POLL = 256
"""Bounds one turn, so that the callers' clocks (new sends, the end of the window) are looked at often."""

_READ_BYTES = 2**16

_SELECTABLE = 1024
"""select() knows no descriptor from here on (FD_SETSIZE); a process that holds so many waits in milliseconds."""

OnResponse = Callable[[Response, float], None]


class Link:
    """One kept-alive connection. `on_response` gets each answer with the time at which it was complete."""

    __slots__ = ("_loop", "_reader", "_socket", "busy", "on_response")

    def __init__(self, loop: Loop, on_response: OnResponse) -> None:
        self._loop = loop
        self._reader = ResponseReader()
        self._socket: socket.socket | None = None
        self.on_response = on_response
        self.busy = False

    def send(self, request: bytes) -> None:
        """Write one request; connects first where needed. The previous answer must have come."""
        if self.busy:
            raise BenchError("a second request on a connection that still waits")
        self.busy = True
        if self._socket is None:
            self._socket = self._loop.connect(self)
        if self._socket.send(request) != len(request):
            raise BenchError("the kernel took only a part of a request of a few hundred bytes")

    def receive(self) -> None:
        """Read what has arrived; hand over the answer if it is complete."""
        assert self._socket is not None
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError as error:
            raise BenchError(f"a connection broke: {error}") from error
        if not data:
            self.close()
            if self.busy:
                raise BenchError("the server closed a connection with a request in flight")
            return
        response = self._reader.feed(data)
        if response is None:
            return
        self.busy = False
        if response.closing:
            self.close()
        self.on_response(response, time.perf_counter())

    def close(self) -> None:
        """Close the connection; the next `send` opens another."""
        if self._socket is not None:
            self._loop.forget(self._socket)
            self._socket.close()
            self._socket = None
            self._reader = ResponseReader()


class Loop:
    """The epoll instance and the connections it watches."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._epoll = select.epoll()
        self._links: dict[int, Link] = {}

    def connect(self, link: Link) -> socket.socket:
        """Open a connection for `link`; blocking, since the loopback answers at once."""
        connection = socket.create_connection(self._address, timeout=30)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._links[connection.fileno()] = link
        self._epoll.register(connection.fileno(), select.EPOLLIN)
        return connection

    def forget(self, connection: socket.socket) -> None:
        """Stop watching a connection that is about to be closed."""
        self._links.pop(connection.fileno(), None)
        with contextlib.suppress(FileNotFoundError):
            self._epoll.unregister(connection.fileno())

    def turn(self, timeout_seconds: float) -> None:
        """Wait for answers, at most `timeout_seconds` (to the microsecond), and hand them over."""
        rounded = 0.0
        if timeout_seconds > 0:
            # epoll itself rounds up to whole milliseconds, which is as much as a fast server's whole answer
            if self._epoll.fileno() < _SELECTABLE:
                select.select([self._epoll.fileno()], [], [], timeout_seconds)
            else:
                rounded = timeout_seconds
        for descriptor, _ in self._epoll.poll(rounded, EVENTS_PER_POLL):
            link = self._links.get(descriptor)
            if link is not None:
                link.receive()

    def close_links(self) -> None:
        """Close all connections; a link that sends again opens another."""
        for link in list(self._links.values()):
            link.close()

    def close(self) -> None:
        """Close all connections and stop watching."""
        self.close_links()
        self._epoll.close()
