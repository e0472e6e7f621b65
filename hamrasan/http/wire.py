"""A connection's socket: writing at the client's speed, reading or not, and closing so that the last answer arrives."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import cast

from hamrasan.http.engine import Engine
from hamrasan.http.limits import FIRST_REQUEST_SECONDS, LINGER_BYTES, LINGER_SECONDS, STALLED_WRITE_SECONDS
from hamrasan.http.wheel import NEVER, UNFILED

JOIN_BYTES = 16 * 1024
"""Up to this length it is cheaper to copy a body behind its head than to hand the socket two pieces."""
_UNKNOWN_SIZE = 1 << 62


class Wire(asyncio.Protocol, ABC):
    """What of a protocol object does not depend on HTTP; `HttpConnection` is the rest of it.

    Two classes and one object, because there are as many of these as there are clients.
    """

    __slots__ = (
        "_closing",
        "_engine",
        "_half_closed",
        "_held",
        "_linger",
        "_open",
        "_transport",
        "_unsent",
        "_writable",
        "_write_paused",
        "deadline",
        "slot",
    )

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._transport: asyncio.Transport | None = None
        self._write_paused = False
        self._writable: asyncio.Future[None] | None = None
        self._unsent = _UNKNOWN_SIZE
        """What the client had still to take when it was last looked at."""
        self._open = False
        """Whether requests are taken."""
        self._half_closed = False
        """The client sends no more."""
        self._held = False
        """Reading is paused."""
        self._closing = False
        self._linger = 0
        """Bytes that will still be read and dropped; 0 unless the connection ends that way."""
        self.deadline = NEVER
        self.slot = UNFILED

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        engine = self._engine
        self._transport = cast(asyncio.Transport, transport)
        self._open = True
        engine.connections.add(self)
        engine.wheel.set(self, engine.now() + FIRST_REQUEST_SECONDS)

    @abstractmethod
    def due(self, now: float) -> None:
        """Whatever the deadline was for has not happened in time."""

    @abstractmethod
    def drain(self) -> None:
        """Answer early or close, as far as that is possible now."""

    def abort(self) -> None:
        """Close at once, whatever is going on."""
        if self._transport is not None:
            self._transport.abort()

    def client_address(self, forwarded_for: str | None) -> str:
        """Return the client's address; see `TrustedProxies`."""
        if self._transport is None:
            return "unknown"
        return self._engine.proxies.client_address(self._transport.get_extra_info("peername"), forwarded_for)

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._write_paused = True
        self._unsent = _UNKNOWN_SIZE
        self._engine.wheel.set(self, self._engine.now() + STALLED_WRITE_SECONDS)

    def _writable_again(self) -> bool:
        """Let a stream that waits go on; return whether the connection is still in use."""
        self._write_paused = False
        if self._closing or self._transport is None:
            return False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        return True

    async def _until_writable(self) -> None:
        while self._write_paused:
            self._writable = self._engine.loop.create_future()
            try:
                await self._writable
            finally:
                self._writable = None

    def _check_progress(self, transport: asyncio.Transport, now: float) -> None:
        """Give a client more time if it has taken anything since the last look, else drop it."""
        unsent = transport.get_write_buffer_size()
        if unsent >= self._unsent:
            transport.abort()
        else:
            self._unsent = unsent
            self._engine.wheel.set(self, now + STALLED_WRITE_SECONDS)

    def _hold(self, hold: bool) -> None:
        """Stop reading, or read on."""
        transport = self._transport
        if hold != self._held and transport is not None:
            self._held = hold
            if hold:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def _drop(self, data: bytes) -> None:
        """Take no notice of what comes after a refusal, up to a limit."""
        self._linger -= len(data)
        if self._linger <= 0:
            self._end()

    def _end(self, linger: bool = False) -> None:
        """Let what was written go out, then close; with `linger` let the client first finish what it is sending.

        A socket that is closed with unread bytes in it resets the connection, and takes our answer away with it.
        """
        transport, engine = self._transport, self._engine
        if transport is None:
            return
        self._open = False
        if linger and not self._half_closed and transport.can_write_eof():
            self._linger = LINGER_BYTES
            transport.write_eof()
            self._hold(False)
            engine.wheel.set(self, engine.now() + LINGER_SECONDS)
        else:
            self._linger = 0
            self._closing = True
            self._unsent = _UNKNOWN_SIZE
            transport.close()
            engine.wheel.set(self, engine.now() + STALLED_WRITE_SECONDS)
