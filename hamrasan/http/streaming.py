"""Sending a body that is produced meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hamrasan.http.exchange import Exchange
from hamrasan.http.heads import LAST_CHUNK, has_body
from hamrasan.http.response import StreamResponse
from hamrasan.http.sending import can_send_file, send_file
from hamrasan.storage.ports.blobs import FilePart


async def send_stream(
    answer: StreamResponse,
    exchange: Exchange,
    head: bytes,
    transport: asyncio.WriteTransport,
    until_writable: Callable[[], Awaitable[None]],
) -> int:
    """Send `head` and the chunks, no faster than the client takes them; return the status for the metrics.

    The head goes out with the first chunk, so that an error before it can still be told (`exchange.head_sent`).
    Raises what the iterator raises, and `RuntimeError` if it gives more or less than the length it announced.
    """
    chunked = answer.length is None and not exchange.old_version
    left = answer.length
    try:
        if exchange.method != "HEAD" and has_body(answer.status):
            if left is not None and isinstance(answer.chunks, FilePart) and can_send_file(transport):
                await send_file(answer.chunks, head, exchange, transport, until_writable)
                left = 0
            async for chunk in answer.chunks:
                if not chunk:
                    continue
                if left is not None:
                    left -= len(chunk)
                    if left < 0:
                        raise RuntimeError("a stream is longer than its length")
                parts = (b"%x\r\n" % len(chunk), chunk, b"\r\n") if chunked else (chunk,)
                transport.writelines(parts if exchange.head_sent else (head, *parts))
                exchange.head_sent = True
                await until_writable()
            if left:
                raise RuntimeError("a stream is shorter than its length")
            last = LAST_CHUNK if chunked else b""
        else:
            last = b""
        transport.write(last if exchange.head_sent else head + last)
        exchange.head_sent = True
    finally:
        await close_stream(answer)
    return answer.status


async def close_stream(answer: StreamResponse) -> None:
    """Let the iterator let go of what it holds (files, subscriptions), whether it was used or not."""
    close = getattr(answer.chunks, "aclose", None)
    if close is not None:
        await close()
