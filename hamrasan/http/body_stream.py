"""The body of an upload on its way from the socket to the handler, never more than a little of it in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from hamrasan.http.limits import STREAM_HIGH_WATER


class Source(Protocol):
    """The connection, as the stream steers it."""

    def body_wanted(self) -> None:
        """The handler reads: tell a client that asked whether to send its body."""

    def resume_body(self) -> None:
        """Little is left waiting, after `BodyStream.stopped` was set: read on."""


class BodyStream:
    """Chunks that have arrived and were not read yet."""

    __slots__ = ("_chunks", "_error", "_size", "_source", "_waiter", "ended", "stopped")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self.stopped = False
        """Whether enough is waiting, so that no more should be read from the socket."""
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.ended = False
        """Whether the whole body was received."""

    def feed(self, chunk: bytes) -> None:
        """Take a chunk from the socket."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > STREAM_HIGH_WATER:
            self.stopped = True
        self._wake()

    def end(self) -> None:
        """The body is complete."""
        self.ended = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """The rest will not come; the reader gets `error` after what has arrived."""
        if not self.ended and self._error is None:
            self._error = error
            self._wake()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the body as it arrives."""
        self._source.body_wanted()
        while True:
            if self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                if self.stopped and self._size <= STREAM_HIGH_WATER // 2:
                    self.stopped = False
                    self._source.resume_body()
                yield chunk
            elif self._error is not None:
                raise self._error
            elif self.ended:
                return
            else:
                self._waiter = asyncio.get_running_loop().create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
