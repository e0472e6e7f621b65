"""The asyncio client that builds the worlds: several connections, ordinary client API, errors with the text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from bench.errors import BenchError
from bench.load.wire import Response, ResponseReader, request_bytes

CALL_TIMEOUT_SECONDS = 120.0
"""A join into a large room takes a slow server a second or two, and eight of them wait for each other."""

_READ_BYTES = 2**18

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool:
    """Up to `size` connections to a server on this machine, lent to one request each."""

    def __init__(self, port: int, size: int = 8) -> None:
        self.size = size
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._places = asyncio.Semaphore(size)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._open:
            writer.close()
        for writer in self._open:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._open.clear()
        self._idle.clear()

    async def call(self, method: str, target: str, token: str | None = None, body: object = None) -> Any:
        """Return the decoded JSON answer; raises `BenchError` unless the status is 2xx."""
        payload = None if body is None else msgspec.json.encode(body)
        request = request_bytes(method, target, token, payload)
        async with self._places:
            async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
                response = await self._exchange(request)
        return msgspec.json.decode(response.expect_success(f"{method} {target}"))

    async def each(self, items: Iterable[Item], work: Callable[[Item], Awaitable[Result]]) -> list[Result]:
        """Run `work` for all items, as many at a time as there are connections; results in their order."""
        gate = asyncio.Semaphore(self.size)

        async def one(item: Item) -> Result:
            async with gate:
                return await work(item)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
        return [task.result() for task in tasks]

    async def _exchange(self, request: bytes) -> Response:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._open.add(writer)
        writer.write(request)
        parser = ResponseReader()
        while True:
            data = await reader.read(_READ_BYTES)
            if not data:
                raise BenchError("the server closed the connection in the middle of a request")
            response = parser.feed(data)
            if response is not None:
                break
        if not response.closing:
            self._idle.append((reader, writer))
        return response
