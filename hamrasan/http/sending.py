"""Sending a file from the system's memory to the socket: its bytes do not pass through this process.

Event loops have no such call for a transport (uvloop), or one that takes over its protocol (asyncio). So the socket is
duplicated, and written to while nothing of the transport's own is waiting to be written.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from hamrasan.http.exchange import Exchange
from hamrasan.http.limits import STALLED_WRITE_SECONDS
from hamrasan.storage.ports.blobs import FilePart

SEND_BYTES = 512 * 1024
"""Handed over at once: a tenth of a millisecond of the loop's time."""


def can_send_file(transport: asyncio.WriteTransport) -> bool:
    """Return whether a transport writes to its socket what it is given, which one with TLS does not."""
    return transport.get_extra_info("socket") is not None and transport.get_extra_info("sslcontext") is None


async def send_file(
    part: FilePart,
    head: bytes,
    exchange: Exchange,
    transport: asyncio.WriteTransport,
    until_writable: Callable[[], Awaitable[None]],
) -> None:
    """Send `head` and then what is left of `part`, no faster than the client takes it.

    Ends as if it were cancelled when the client goes away, or takes nothing for too long. Raises `RuntimeError` if the
    file is shorter than it should be.
    """
    transport.set_write_buffer_limits(high=0)  # "writable" means from now on that nothing is waiting
    # A descriptor of our own: that of the transport may be closed, and given to somebody else, between two steps here.
    socket = os.dup(transport.get_extra_info("socket").fileno())
    try:
        transport.write(head)
        exchange.head_sent = True
        await until_writable()
        while part.position < part.end:
            size = min(SEND_BYTES, part.end - part.position)
            await part.load(size)
            try:
                sent = os.sendfile(socket, part.descriptor, part.position, size)
            except BlockingIOError:
                await _until_taken(socket)
                continue
            if not sent:
                raise RuntimeError("a file is shorter than its length")
            part.position += sent
            await asyncio.sleep(0)  # others have their turn, however fast this client is
    except (ConnectionError, TimeoutError):
        transport.abort()
        raise asyncio.CancelledError from None
    finally:
        os.close(socket)
    transport.set_write_buffer_limits()


async def _until_taken(socket: int) -> None:
    """Wait until the socket takes more. Raises `TimeoutError` if the client takes nothing."""
    loop = asyncio.get_running_loop()
    writable: asyncio.Future[None] = loop.create_future()
    loop.add_writer(socket, _end, writable)
    try:
        async with asyncio.timeout(STALLED_WRITE_SECONDS):
            await writable
    finally:
        loop.remove_writer(socket)


def _end(writable: asyncio.Future[None]) -> None:
    if not writable.done():
        writable.set_result(None)
