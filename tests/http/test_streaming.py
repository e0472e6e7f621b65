"""Bodies that are never in memory as a whole, in both directions."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from hamrasan.http import limits
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, StreamResponse, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.protocol.errors import MatrixError
from tests.http.edges import ECHO, World, connected, message, route, serving, until
from tests.http.running import run
from tests.worlds import ManualClock


class Source:
    """A body that counts what was taken of it."""

    def __init__(self, chunks: int, size: int, fails_at: int | None = None) -> None:
        self.chunks = chunks
        self.size = size
        self.fails_at = fails_at
        self.taken = 0
        self.closed = False

    async def __call__(self) -> AsyncIterator[bytes]:
        try:
            for number in range(self.chunks):
                if number == self.fails_at:
                    raise KeyError("a secret")
                await asyncio.sleep(0)
                self.taken += 1
                yield bytes([number % 256]) * self.size
        finally:
            self.closed = True


def _download(source: Source, length: int | None = None, method: str = "GET") -> Route:
    async def download(_request: Request, _services: World) -> Answer:
        return StreamResponse(200, source(), "text/plain", (("X-Kind", "stream"),), length)

    return route(method, "/download", download)


def test_a_stream_goes_out_in_chunks() -> None:
    async def test() -> None:
        source, world = Source(10, 1000), World()
        async with serving(_download(source), ECHO, world=world) as edge, connected(edge) as client:
            answer = await client.ask("GET", "/download")
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.headers["x-kind"] == "stream"
            assert answer.headers["access-control-allow-origin"] == "*"
            assert answer.body == b"".join(bytes([n]) * 1000 for n in range(10))
            assert source.closed
            assert (await client.ask("GET", "/echo/x")).status == 200
            assert [(operation, status) for operation, status, _ in world.observed] == [
                ("download", 200),
                ("echo", 200),
            ]

    run(test())


def test_with_a_length_it_goes_out_as_it_is() -> None:
    async def test() -> None:
        async with serving(_download(Source(3, 10), 30), ECHO) as edge, connected(edge) as client:
            answer = await client.ask("GET", "/download")
            assert answer.headers["content-length"] == "30"
            assert len(answer.body) == 30
            assert (await client.ask("GET", "/echo/x")).status == 200

    run(test())


def test_http_1_0_gets_it_up_to_the_end_of_the_connection() -> None:
    async def test() -> None:
        async with serving(_download(Source(3, 10))) as edge, connected(edge) as client:
            await client.send(b"GET /download HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = await client.answer()
            assert answer.headers["connection"] == "close"
            assert "transfer-encoding" not in answer.headers
            assert len(answer.body) == 30

    run(test())


def test_head_takes_nothing_of_it() -> None:
    async def test() -> None:
        source = Source(3, 10)
        async with serving(_download(source, 30), ECHO) as edge, connected(edge) as client:
            answer = await client.ask("HEAD", "/download")
            assert answer.headers["content-length"] == "30"
            assert source.taken == 0
            assert (await client.ask("GET", "/echo/x")).status == 200

    run(test())


def test_an_error_before_the_first_chunk_can_still_be_told() -> None:
    async def test() -> None:
        source = Source(3, 10, fails_at=0)
        async with serving(_download(source), ECHO) as edge, connected(edge) as client:
            answer = await client.ask("GET", "/download")
            assert answer.status == 500
            assert b"secret" not in answer.body
            assert (await client.ask("GET", "/echo/x")).status == 200

    run(test())


@pytest.mark.parametrize(("fails_at", "length"), [(2, None), (None, 31), (None, 29)])
def test_an_error_after_it_cuts_the_answer_short(fails_at: int | None, length: int | None) -> None:
    async def test() -> None:
        source = Source(3, 10, fails_at)
        async with serving(_download(source, length)) as edge, connected(edge) as client:
            await client.send(message("GET", "/download"))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await client.answer()
            assert source.closed

    run(test())


def test_a_slow_client_is_not_run_ahead_of() -> None:
    async def test() -> None:
        source = Source(600, 65536)
        async with serving(_download(source)) as edge, connected(edge) as client:
            await client.send(message("GET", "/download"))
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # the transport of a stream has it
            await until(lambda: source.taken)
            taken = -1
            while taken != source.taken:
                taken = source.taken
                for _ in range(200):
                    await asyncio.sleep(0)
            # What is on its way fills the buffers of both kernels (a few megabytes), and no more.
            assert taken < 300
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
            assert len((await client.answer()).body) == 600 * 65536

    run(test())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_source_is_closed_when_the_client_goes_away(method: str) -> None:
    async def test() -> None:
        source = Source(1_000_000, 65536)
        async with serving(_download(source, method=method)) as edge:
            async with connected(edge) as client:
                await client.send(message(method, "/download"))
                await client.reader.readexactly(100_000)
                client.reset()
            await until(lambda: edge.connections == 0)
            await until(lambda: source.closed)

    run(test())


# Uploads.


async def upload(request: Request, _services: World) -> Answer:
    """Answer with size and hash of what came."""
    size, digest = 0, hashlib.sha256()
    async for chunk in request.chunks():
        size += len(chunk)
        digest.update(chunk)
    return ok({"size": size, "hash": digest.hexdigest()})


UPLOAD = Route(
    "POST", "/upload", upload, "upload", Auth.USER, RateClass.NONE, Body.STREAM, body_limit=50_000_000
)
TOKEN = "Authorization: Bearer alice"


def _chunked(body: bytes, size: int = 10_000) -> bytes:
    head = message("POST", "/upload", b"", TOKEN, "Transfer-Encoding: chunked").replace(
        b"Content-Length: 0\r\n", b""
    )
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [0, 1, 5000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload(size: int, chunked: bool) -> None:
    async def test() -> None:
        body = bytes(range(251)) * (size // 251) + b"x" * (size % 251)
        async with serving(UPLOAD, ECHO) as edge, connected(edge) as client:
            data = _chunked(body) if chunked else message("POST", "/upload", body, TOKEN)
            await client.send(data + message("GET", "/echo/x"))
            assert (await client.answer()).json == {"size": size, "hash": hashlib.sha256(body).hexdigest()}
            assert (await client.answer()).json["path"] == {"name": "x"}

    run(test())


def test_an_upload_byte_by_byte_behind_another_request() -> None:
    async def test() -> None:
        async with serving(UPLOAD, ECHO) as edge, connected(edge) as client:
            for byte in (
                message("GET", "/echo/x")
                + message("POST", "/upload", b"abc" * 20, TOKEN)
                + _chunked(b"abc", 1)
            ):
                await client.send(bytes([byte]))
                await asyncio.sleep(0)
            assert (await client.answer()).status == 200
            assert (await client.answer()).json["size"] == 60
            assert (await client.answer()).json["size"] == 3

    run(test())


def test_a_handler_that_is_slow_holds_the_client_back() -> None:
    async def test() -> None:
        clock, go_on, sizes = ManualClock(), asyncio.Event(), []

        async def slow(request: Request, services: World) -> Answer:
            chunks = request.chunks()
            sizes.append(len(await anext(chunks)))
            await go_on.wait()
            async for chunk in chunks:
                sizes.append(len(chunk))  # noqa: PERF401 - what has come so far is looked at meanwhile
            return ok({})

        rows = [Route("POST", "/upload", slow, "upload", Auth.USER, RateClass.NONE, Body.STREAM)]
        async with serving(*rows, clock=clock) as edge, connected(edge) as client:
            client.writer.write(message("POST", "/upload", b"x" * 30_000_000, TOKEN))
            await until(lambda: sizes)
            for _ in range(500):
                await asyncio.sleep(0)
            (connection,) = edge._engine.connections
            stream = connection._exchange.stream  # type: ignore[attr-defined]  # how much of it is in memory
            assert stream.stopped
            assert stream._size < 2 * limits.STREAM_HIGH_WATER
            clock.advance(10_000)
            edge.turn()
            go_on.set()
            assert (await client.answer()).status == 200
            assert sum(sizes) == 30_000_000

    run(test())


def test_who_may_not_upload_is_told_before_the_body() -> None:
    async def test() -> None:
        async with serving(UPLOAD) as edge, connected(edge) as client:
            data = message("POST", "/upload", b"x" * 40_000_000, "Expect: 100-continue")
            await client.send(data[:1000])
            answer = await client.answer()
            assert (answer.status, answer.json["errcode"]) == (401, "M_MISSING_TOKEN")
            assert await client.is_closed()

    run(test())


def test_expect_continue_is_answered_when_the_handler_reads() -> None:
    async def test() -> None:
        async with serving(UPLOAD) as edge, connected(edge) as client:
            data = message("POST", "/upload", b"abc", TOKEN, "Expect: 100-continue")
            await client.send(data[:-3])
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(b"abc")
            assert (await client.answer()).json["size"] == 3

    run(test())


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_that_is_too_large(chunked: bool) -> None:
    async def test() -> None:
        small = Route(
            "POST", "/upload", upload, "upload", Auth.USER, RateClass.NONE, Body.STREAM, body_limit=1000
        )
        async with serving(small) as edge, connected(edge) as client:
            body = b"x" * 5000
            await client.send(_chunked(body) if chunked else message("POST", "/upload", body, TOKEN))
            answer = await client.answer()
            assert (answer.status, answer.json["errcode"]) == (413, "M_TOO_LARGE")
            assert await client.is_closed()

    run(test())


def test_an_upload_that_is_broken_off_or_malformed_or_stalls() -> None:
    async def test() -> None:
        clock, ends = ManualClock(), []

        async def watches(request: Request, services: World) -> Answer:
            try:
                return await upload(request, services)
            except (ConnectionResetError, MatrixError) as error:
                ends.append(
                    type(error).__name__ if isinstance(error, ConnectionResetError) else str(error.args[0])
                )
                raise

        rows = [Route("POST", "/upload", watches, "upload", Auth.USER, RateClass.NONE, Body.STREAM)]
        async with serving(*rows, clock=clock) as edge:
            async with connected(edge) as client:
                await client.send(message("POST", "/upload", b"x" * 1000, TOKEN)[:-1])
                await until(lambda: edge.connections)
                for _ in range(20):
                    await asyncio.sleep(0)
                client.reset()
            await until(lambda: ends == ["ConnectionResetError"])
            async with connected(edge) as client:
                await client.send(_chunked(b"abc")[:-5] + b"nonsense\r\n")
                assert (await client.answer()).status == 400
                assert ends[1:] == ["M_UNRECOGNIZED"]
            async with connected(edge) as client:
                await client.send(message("POST", "/upload", b"x" * 1000, TOKEN)[:-1])
                for _ in range(20):
                    await asyncio.sleep(0)
                clock.advance(limits.BODY_SECONDS + 10)
                edge.turn()
                assert (await client.answer()).status == 408
                assert ends[2:] == ["M_UNKNOWN"]

    run(test())


def test_a_handler_need_not_read_what_it_does_not_want() -> None:
    async def ignores(_request: Request, _services: World) -> Answer:
        return ok({})

    async def test() -> None:
        rows = [Route("POST", "/upload", ignores, "upload", Auth.USER, RateClass.NONE, Body.STREAM)]
        async with serving(*rows, ECHO) as edge:
            async with connected(edge) as client:
                await client.send(message("POST", "/upload", b"x" * 1000, TOKEN) + message("GET", "/echo/x"))
                assert (await client.answer()).status == 200
                assert (await client.answer()).status == 200
            async with connected(edge) as client:
                await client.send(message("POST", "/upload", b"x" * 100_000, TOKEN)[:50_000])
                answer = await client.answer()
                assert answer.headers["connection"] == "close"
                assert await client.is_closed()

    run(test())


def test_only_streams_can_be_read_in_chunks() -> None:
    async def test() -> None:
        async with serving(route("POST", "/upload", upload, Body.RAW)) as edge, connected(edge) as client:
            assert (await client.ask("POST", "/upload", b"abc")).status == 500

    run(test())
