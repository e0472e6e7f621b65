"""A client that does one request at a time: for probes whose single latencies are wanted."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bench.errors import BenchError
from bench.load.wire import Response, ResponseReader, request_bytes

REQUEST_TIMEOUT_SECONDS = 300.0
"""An initial sync of 1,000 rooms takes a slow server half a minute on a busy machine."""

_READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer with its times in seconds, counted from the moment before the request was written."""

    response: Response
    first_byte: float
    total: float


class BlockingClient:
    """One kept-alive connection; reconnects where the server says that it closes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def call(self, method: str, target: str, token: str | None = None, body: bytes | None = None) -> Timed:
        """Send one request and read its answer, whatever its status."""
        return self.exchange(request_bytes(method, target, token, body))

    def exchange(self, request: bytes) -> Timed:
        """Send prepared bytes and read the answer. Raises `BenchError` when the connection breaks."""
        reader = ResponseReader()
        started = time.perf_counter()
        self._socket.sendall(request)
        first_byte = 0.0
        while True:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise BenchError("the server closed the connection in the middle of a request")
            first_byte = first_byte or time.perf_counter() - started
            response = reader.feed(data)
            if response is not None:
                break
        total = time.perf_counter() - started
        if response.closing:
            self._socket.close()
            self._socket = self._connect()
        return Timed(response, first_byte, total)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=REQUEST_TIMEOUT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
