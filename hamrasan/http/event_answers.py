"""Answers with events in federation format; long ones are written while the events are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from hamrasan.http.response import Response, StreamResponse, json_bytes
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import encode_json, json_string
from hamrasan.rooms.served_events import ServedEvents
from hamrasan.runtime.turns import Turns

LONG_AT_ONCE = 4
"""Long answers that one server gets at the same time; each may take a second of the processor for a large room."""
LONG_WAITING = 200
"""... and that wait for their turn; a server with many new users joins some rooms a second."""


async def in_turn(
    turns: Turns, server: str, answer: Callable[[], Awaitable[StreamResponse]]
) -> StreamResponse:
    """Return what `answer` gives when it is the server's turn, which lasts until the answer is sent.

    Raises `M_LIMIT_EXCEEDED` if too many of the server's wait already, and what `answer` raises.
    """
    async with AsyncExitStack() as held:
        await held.enter_async_context(turns.turn(server))
        response = await answer()
        chunks = _Held(response.chunks, held.pop_all())
        return StreamResponse(response.status, chunks, response.content_type, response.headers)


class _Held(AsyncIterator[bytes]):
    """Chunks that hold something until they are closed, be it before the first one."""

    def __init__(self, chunks: AsyncIterator[bytes], held: AsyncExitStack) -> None:
        self._chunks = chunks
        self._held = held

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        try:
            if close is not None:
                await close()
        finally:
            await self._held.aclose()


def transaction_with(services: Services, pdus: Sequence[dict[str, Any]]) -> Response:
    """Return events in the form of a transaction of this server."""
    members = {
        "origin": services.settings.server_name,
        "origin_server_ts": services.clock.now_ms(),
        "pdus": pdus,
    }
    return json_bytes(encode_json(members))


def answer_with_events(
    served: ServedEvents, members: Mapping[str, Any], lists: Mapping[str, Sequence[str]]
) -> StreamResponse:
    """Return an object with `members`, and a list of events for each list of ids.

    The state of a large room is never in memory as a whole: a hundred thousand members make 70 MB.
    """
    return StreamResponse(200, _written(served, members, lists))


async def _written(
    served: ServedEvents, members: Mapping[str, Any], lists: Mapping[str, Sequence[str]]
) -> AsyncIterator[bytes]:
    begin = b"{"
    for name, value in members.items():
        yield begin + json_string(name) + b":" + encode_json(value)
        begin = b","
    for name, event_ids in lists.items():
        yield begin + json_string(name) + b":["
        begin, between = b",", b""
        async for pdus in served.stream(event_ids):
            if pdus:
                yield between + b",".join(encode_json(pdu) for pdu in pdus)
                between = b","
        yield b"]"
    yield b"}"
