"""Whatever comes over the wire: no exception leaves the protocol, nothing hangs, and pieces do not matter."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hamrasan.http.connection import HttpConnection
from hamrasan.http.edge import Edge
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from tests.http.edges import ECHO, PARK, POST, World, authenticate, echo, message, route
from tests.worlds import ManualClock


class Wire(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 4711)})
        self.written = bytearray()
        self.closed = False
        self.ended = False
        self.reading = True

    def write(self, data: Any) -> None:
        assert not self.closed, "written after the end"
        self.written += data

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def write_eof(self) -> None:
        self.ended = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading, "resumed twice"
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return 0


async def _slow(request: Request, services: World) -> Answer:
    await asyncio.sleep(0)
    return await echo(request, services)


async def _upload(request: Request, _services: World) -> Answer:
    size = 0
    async for chunk in request.chunks():
        size += len(chunk)
    return ok(size)


ROUTES = [
    ECHO,
    POST,
    PARK,
    route("GET", "/slow/{name}", _slow),
    route("POST", "/small", echo, Body.JSON_OPTIONAL, body_limit=20),
    Route("PUT", "/upload", _upload, "upload", Auth.NONE, RateClass.NONE, Body.STREAM, 1000),
    Route("GET", "/mine", echo, "mine", Auth.USER),
]


async def _talk(pieces: list[bytes], eof: bool) -> bytes:
    """Feed a connection, give everything its time, and return what it wrote."""
    loop = asyncio.get_running_loop()
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _loop, context: errors.append(context))
    world, clock = World(), ManualClock()
    edge = Edge(ROUTES, world, authenticate=authenticate, clock=clock)
    wire, connection = Wire(), HttpConnection(edge._engine)
    connection.connection_made(wire)
    left = list(reversed(pieces))
    for _ in range(30 + 10 * len(pieces)):
        if left and wire.reading and not wire.closed:
            connection.data_received(left.pop())
        for waiting in world.parked:
            waiting.answer({})
        await asyncio.sleep(0)
    if eof and not wire.closed and not connection.eof_received():
        wire.close()
    for _ in range(12):
        if wire.closed:
            break
        clock.advance(60)
        edge.turn()
        await asyncio.sleep(0)
    assert wire.closed, "a connection that nobody uses is closed in the end"
    connection.connection_lost(None)
    await asyncio.sleep(0)
    await edge.shutdown(0)
    assert errors == []
    return bytes(wire.written)


def _answers(written: bytes) -> list[int]:
    """Return the statuses of well-formed answers; fails if anything else is between them."""
    statuses = []
    while written:
        head, separator, rest = written.partition(b"\r\n\r\n")
        assert separator
        lines = head.split(b"\r\n")
        version, status, _ = lines[0].split(b" ", 2)
        assert version == b"HTTP/1.1"
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])
        }
        length = int(headers.get(b"content-length", b"0"))
        if status != b"100":
            assert headers[b"access-control-allow-origin"] == b"*"
        if b"content-length" in headers and rest[:5] in (b"HTTP/", b""):
            length = 0  # the answer to HEAD
        assert len(rest) >= length
        written = rest[length:]
        statuses.append(int(status))
    return statuses


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(marks)]


MESSAGES = st.one_of(
    st.sampled_from(
        [
            message("GET", "/echo/x"),
            message("HEAD", "/echo/x"),
            message("OPTIONS", "/_matrix/x"),
            message("GET", "/park"),
            message("GET", "/park?seconds=5"),
            message("GET", "/park?seconds=x"),
            message("GET", "/slow/x"),
            message("GET", "/mine", b"", "Authorization: Bearer alice"),
            message("GET", "/mine?access_token=%ff"),
            message("POST", "/echo/x", b'{"a":1}'),
            message("POST", "/echo/x", b"x", "Expect: 100-continue"),
            message("POST", "/small", b"x" * 21),
            message("POST", "/small"),
            message("PUT", "/upload", b"x" * 999),
            message("PUT", "/upload", b"x" * 1001, "Expect: 100-continue"),
            b"PUT /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
            b"POST /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\n\r\n",
            b"PUT /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFF\r\n",
            b"GET /echo/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            b"GET /echo/%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            b"GET /echo/x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            b"CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\r\n",
        ]
    ),
    st.binary(max_size=60),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(MESSAGES, max_size=8), st.lists(st.integers(0, 5000), max_size=6), st.booleans())
def test_any_mixture_of_requests_and_noise_in_any_pieces(
    messages: list[bytes], places: list[int], eof: bool
) -> None:
    _answers(asyncio.run(_talk(_cut(b"".join(messages), places), eof)))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(
        [
            message("POST", "/echo/name", b'{"a":1}', "X: y"),
            message("GET", "/slow/%41"),
            message("PUT", "/upload", b"abc"),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_a_request_with_some_bytes_changed(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    _answers(asyncio.run(_talk([bytes(changed)], False)))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                message("GET", "/echo/x"),
                message("GET", "/slow/x"),
                message("GET", "/park"),
                message("POST", "/echo/x", b'{"a":1}'),
                message("PUT", "/upload", b"x" * 500),
                message("GET", "/nowhere"),
            ]
        ),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.integers(0, 5000), max_size=20),
)
def test_good_requests_get_the_same_answers_however_they_are_cut(
    messages: list[bytes], places: list[int]
) -> None:
    expected = [404 if b"/nowhere" in item else 200 for item in messages]
    assert _answers(asyncio.run(_talk(_cut(b"".join(messages), places), False))) == expected
