"""One connection against real sockets: framing, order, limits, and what happens when the client goes away."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from hamrasan.http import limits
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Response, ok, redirect
from hamrasan.http.route import Body
from tests.http.edges import ECHO, POST, World, connected, echo, message, route, serving, until
from tests.http.running import run


def test_keeps_the_connection_for_the_next_request() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            first = await client.ask("GET", "/echo/one")
            second = await client.ask("POST", "/echo/two", b'{"a":1}')
            assert first.json == {"method": "GET", "path": {"name": "one"}, "body": ""}
            assert second.json == {"method": "POST", "path": {"name": "two"}, "body": '{"a":1}'}
            assert first.headers["content-type"] == "application/json"
            assert edge.connections == 1

    run(test())


def test_serves_on_the_standard_loop_too() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            assert (await client.ask("GET", "/echo/x")).status == 200

    asyncio.run(test())


def test_every_answer_carries_the_headers_for_browsers_and_a_date() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            for target, status in (("/echo/x", 200), ("/nowhere", 404), ("/echo/%zz", 400)):
                answer = await client.ask("GET", target)
                assert answer.status == status
                assert answer.headers["access-control-allow-origin"] == "*"
                assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE, OPTIONS"
                assert answer.headers["access-control-allow-headers"] == (
                    "X-Requested-With, Content-Type, Authorization"
                )
                assert answer.headers["date"].endswith(" GMT")
            await client.send(b"\x00\r\n\r\n")
            assert (await client.answer()).headers["access-control-allow-origin"] == "*"

    run(test())


def test_takes_a_request_byte_by_byte() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            for byte in message("POST", "/echo/%D8%B3", b'{"a":1}') + message("GET", "/echo/next"):
                await client.send(bytes([byte]))
                await asyncio.sleep(0)
            assert (await client.answer()).json["path"] == {"name": "س"}
            assert (await client.answer()).json["path"] == {"name": "next"}

    run(test())


def test_answers_pipelined_requests_in_order() -> None:
    async def slow(request: Request, services: World) -> Answer:
        for _ in range(3):
            await asyncio.sleep(0)
        return await echo(request, services)

    async def test() -> None:
        async with serving(ECHO, POST, route("GET", "/slow/{name}", slow)) as edge, connected(edge) as client:
            targets = [f"/{'slow' if n % 3 == 0 else 'echo'}/{n}" for n in range(20)]
            await client.send(b"".join(message("GET", target) for target in targets))
            names = [(await client.answer()).json["path"]["name"] for _ in targets]
            assert names == [str(n) for n in range(20)]

    run(test())


def test_answers_pipelined_requests_that_come_in_many_reads() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            await client.send(message("GET", "/park"))
            for n in range(300):
                await client.send(message("POST", f"/echo/{n}", b'{"filler":"' + b"x" * 1000 + b'"}'))
                await asyncio.sleep(0)
            world: World = edge._engine._services
            world.parked[0].answer({})
            assert (await client.answer()).json == {}
            for n in range(300):
                assert (await client.answer()).json["path"]["name"] == str(n)

    run(test())


def test_answers_thousands_of_requests_in_one_read() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            await client.send(b"".join(message("GET", f"/echo/{n}") for n in range(3000)))
            for n in range(3000):
                assert (await client.answer()).json["path"]["name"] == str(n)

    run(test())


def test_head_has_the_headers_of_get_and_no_body() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            got = await client.ask("GET", "/echo/x")
            head = await client.ask("HEAD", "/echo/x")
            assert head.status == 200
            # One letter more: the answer to HEAD would name the method HEAD.
            assert int(head.headers["content-length"]) == len(got.body) + 1
            assert (await client.ask("GET", "/echo/next")).status == 200

    run(test())


def test_chunked_bodies() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            head = message("POST", "/echo/x", b"", "Transfer-Encoding: chunked").replace(
                b"Content-Length: 0\r\n", b""
            )
            await client.send(head + b'4\r\n{"a"\r\n3;ext=1\r\n:1}\r\n0\r\nTrailer: x\r\n\r\n')
            assert (await client.answer()).json["body"] == '{"a":1}'
            assert (await client.ask("GET", "/echo/next")).status == 200

    run(test())


def test_a_body_may_be_optional() -> None:
    async def test() -> None:
        optional = route("POST", "/echo/{name}", echo, Body.JSON_OPTIONAL)
        async with serving(optional) as edge, connected(edge) as client:
            assert (await client.ask("POST", "/echo/x")).json["body"] == "{}"
            assert (await client.ask("POST", "/echo/x", b'{"a":1}')).json["body"] == '{"a":1}'

    run(test())


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_and_the_answer_arrives(chunked: bool) -> None:
    async def test() -> None:
        world = World()
        small = route("POST", "/echo/{name}", echo, Body.JSON_OBJECT, body_limit=1000)
        async with serving(small, world=world) as edge, connected(edge) as client:
            body = b"x" * 300_000
            if chunked:
                head = message("POST", "/echo/x", b"", "Transfer-Encoding: chunked")
                data = head.replace(b"Content-Length: 0\r\n", b"") + b"%x\r\n%b\r\n0\r\n\r\n" % (
                    len(body),
                    body,
                )
            else:
                data = message("POST", "/echo/x", body)
            await client.send(data)
            answer = await client.answer()
            assert (answer.status, answer.json["errcode"]) == (413, "M_TOO_LARGE")
            assert "1000 bytes" in answer.json["error"]
            assert answer.headers["connection"] == "close"
            assert await client.is_closed()
            assert world.requests == []

    run(test())


def test_a_body_of_just_the_limit_is_taken() -> None:
    async def test() -> None:
        small = route("POST", "/echo/{name}", echo, Body.JSON_OBJECT, body_limit=1000)
        async with serving(small) as edge, connected(edge) as client:
            assert (await client.ask("POST", "/echo/x", b"x" * 1000)).status == 200

    run(test())


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /echo/" + b"x" * limits.MAX_TARGET_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nBig: " + b"x" * 2 * limits.MAX_HEAD_BYTES + b"\r\n\r\n", 431),
        (b"GET /echo/x HTTP/1.1\r\nHost: a\r\nEndless: " + b"x" * 4 * limits.MAX_HEAD_BYTES, 431),
        (
            b"GET /echo/x HTTP/1.1\r\nHost: a\r\n"
            + b"".join(b"H%d: x\r\n" % n for n in range(101))
            + b"\r\n",
            431,
        ),
        (b"GET /echo/x HTTP/1.1\r\n\r\n", 400),
        (b"GET /echo/\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /echo/x HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /echo/x\r\n\r\n", 505),
        (b"POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
        (
            b"POST /echo/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST /echo/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (
            b"POST /echo/x HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}",
            400,
        ),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(data: bytes, status: int) -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as client:
            await client.send(message("GET", "/echo/before") + data)
            assert (await client.answer()).status == 200
            answer = await client.answer()
            assert answer.status == status
            assert answer.json["errcode"].startswith("M_")
            assert answer.headers["connection"] == "close"
            assert await client.is_closed()
            assert len(world.requests) == 1

    run(test())


def test_chunk_frames_without_content_are_refused() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            head = message("POST", "/echo/x", b"", "Transfer-Encoding: chunked").replace(
                b"Content-Length: 0\r\n", b""
            )
            await client.send(head + b"1;" + b"x" * 200_000)
            assert (await client.answer()).status == 400
            assert await client.is_closed()

    run(test())


def test_upgrade_is_answered_as_if_it_had_not_been_asked_for() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            answer = await client.ask(
                "GET", "/echo/x", b"", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"
            )
            assert answer.status == 200
            assert answer.headers["connection"] == "close"
            assert await client.is_closed()

    run(test())


def test_connection_close_is_obeyed() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            answer = await client.ask("GET", "/echo/x", b"", "Connection: close")
            assert answer.headers["connection"] == "close"
            assert await client.is_closed()

    run(test())


@pytest.mark.parametrize(("header", "kept"), [("X: y", False), ("Connection: keep-alive", True)])
def test_http_1_0(header: str, kept: bool) -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            await client.send(f"GET /echo/x HTTP/1.0\r\n{header}\r\n\r\n".encode())
            answer = await client.answer()
            assert answer.status == 200
            assert answer.headers["connection"] == ("keep-alive" if kept else "close")
            if kept:
                assert (await client.ask("GET", "/echo/y")).status == 200
            else:
                assert await client.is_closed()

    run(test())


def test_expect_continue() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            data = message("POST", "/echo/x", b'{"a":1}', "Expect: 100-continue")
            head, _, body = data.partition(b"\r\n\r\n")
            await client.send(head + b"\r\n\r\n")
            assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(body)
            assert (await client.answer()).json["body"] == '{"a":1}'

    run(test())


def test_expect_continue_is_refused_for_a_body_that_is_too_large() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            data = message("POST", "/echo/x", b"", "Expect: 100-continue").replace(
                b"Content-Length: 0", b"Content-Length: 99999999"
            )
            await client.send(data)
            assert (await client.answer()).status == 413
            assert await client.is_closed()

    run(test())


@pytest.mark.parametrize(
    "target", ["/_matrix/client/v3/anything", "/.well-known/matrix/client", "/echo/x", "*"]
)
def test_options_is_answered_without_running_a_handler(target: str) -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as client:
            answer = await client.ask("OPTIONS", target)
            assert (answer.status, answer.body) == (204, b"")
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "content-length" not in answer.headers
            assert world.requests == []

    run(test())


def test_unknown_addresses_and_methods() -> None:
    async def test() -> None:
        async with serving() as edge, connected(edge) as client:
            missing = await client.ask("GET", "/nowhere")
            assert (missing.status, missing.json["errcode"]) == (404, "M_UNRECOGNIZED")
            other = await client.ask("DELETE", "/echo/x")
            assert (other.status, other.json["errcode"]) == (405, "M_UNRECOGNIZED")
            assert other.headers["allow"] == "GET, HEAD, OPTIONS, POST"
            assert (await client.ask("OPTIONS", "/nowhere")).status == 404
            assert (await client.ask("GET", "http://example.org/echo/x")).status == 200
            assert (await client.ask("GET", "/echo/x")).status == 200

    run(test())


def test_a_failing_handler_is_our_fault_and_tells_nothing() -> None:
    async def fails(request: Request, services: World) -> Answer:
        raise KeyError("a secret")

    async def returns_nonsense(request: Request, services: World) -> Answer:
        return {"not": "an answer"}  # type: ignore[return-value]  # what a careless handler might do

    async def breaks_out(request: Request, services: World) -> Answer:
        return Response(200, b"", headers=(("X", "a\r\nSet-Cookie: b"),))

    async def fails_late(request: Request, services: World) -> Answer:
        await asyncio.sleep(0)
        raise KeyError("a secret")

    async def test() -> None:
        handlers = [fails, returns_nonsense, breaks_out, fails_late]
        routes = [route("GET", f"/{handler.__name__}", handler) for handler in handlers]
        async with serving(ECHO, *routes) as edge, connected(edge) as client:
            for handler in handlers:
                answer = await client.ask("GET", f"/{handler.__name__}")
                assert (answer.status, answer.json["errcode"]) == (500, "M_UNKNOWN")
                assert b"secret" not in answer.body
                assert "set-cookie" not in answer.headers
            assert (await client.ask("GET", "/echo/x")).status == 200

    run(test())


def test_answers_of_other_kinds() -> None:
    async def elsewhere(request: Request, services: World) -> Answer:
        return redirect("https://example.org/%D8%B3")

    async def unchanged(request: Request, services: World) -> Answer:
        return Response(304, b"", headers=(("ETag", '"x"'),))

    async def large(request: Request, services: World) -> Answer:
        return ok("x" * 3_000_000)

    async def test() -> None:
        routes = [route("GET", f"/{handler.__name__}", handler) for handler in (elsewhere, unchanged, large)]
        async with serving(*routes) as edge, connected(edge) as client:
            moved = await client.ask("GET", "/elsewhere")
            assert (moved.status, moved.headers["location"]) == (302, "https://example.org/%D8%B3")
            same = await client.ask("GET", "/unchanged")
            assert (same.status, same.headers["etag"], "content-length" in same.headers) == (
                304,
                '"x"',
                False,
            )
            assert len((await client.ask("GET", "/large")).body) == 3_000_002
            assert (await client.ask("GET", "/unchanged")).status == 304

    run(test())


@pytest.mark.parametrize(
    ("method", "reset", "ended"),
    [("GET", False, "cancelled"), ("GET", True, "cancelled"), ("POST", True, "finished")],
)
def test_reads_end_with_their_client_and_changes_do_not(method: str, reset: bool, ended: str) -> None:
    async def test() -> None:
        ends: list[str] = []
        go_on = asyncio.Event()

        async def waits(request: Request, services: World) -> Answer:
            ends.append("began")
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise
            ends.append("finished")
            return ok({})

        async with serving(route(method, "/waits", waits)) as edge:
            async with connected(edge) as client:
                await client.send(message(method, "/waits"))
                await until(lambda: ends)
                if reset:
                    client.reset()
            await until(lambda: edge.connections == 0)
            go_on.set()
            await until(lambda: len(ends) == 2)
            assert ends == ["began", ended]

    run(test())


def test_a_client_that_only_stops_sending_still_gets_its_answer() -> None:
    async def slow(request: Request, services: World) -> Answer:
        for _ in range(20):
            await asyncio.sleep(0)
        return ok({})

    async def test() -> None:
        async with serving(ECHO, route("POST", "/slow", slow)) as edge, connected(edge) as client:
            await client.send(message("POST", "/slow") + message("GET", "/echo/x"))
            client.writer.write_eof()
            assert (await client.answer()).status == 200
            assert (await client.answer()).status == 200
            assert await client.is_closed()

    run(test())


def test_what_is_observed() -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as client:
            await client.ask("GET", "/echo/x")
            await client.ask("GET", "/nowhere")
            await client.ask("OPTIONS", "/_matrix/x")
            await client.send(message("GET", "/park"))
            await until(lambda: world.parked)
            world.parked[0].answer({})
            await client.answer()
            await client.send(b"nonsense\r\n\r\n")
            await client.answer()
            assert [(operation, status) for operation, status, _ in world.observed] == [
                ("echo", 200),
                ("unrecognizedRequest", 404),
                ("preflightRequest", 204),
                ("park", 200),
                ("malformedRequest", 400),
            ]
            assert world.observed[3][2] is None
            assert world.observed[0][2] is not None

    run(test())


def test_the_client_address_behind_a_proxy() -> None:
    async def address(request: Request, services: World) -> Answer:
        return ok(request.client_address)

    async def test() -> None:
        async with serving(route("GET", "/address", address)) as edge, connected(edge) as client:
            assert (await client.ask("GET", "/address")).json == "127.0.0.1"
            forwarded = await client.ask("GET", "/address", b"", "X-Forwarded-For: 192.0.2.1, 198.51.100.7")
            assert forwarded.json == "198.51.100.7"

    run(test())


def test_json_bodies_that_are_wrong() -> None:
    async def reads(request: Request, services: World) -> Answer:
        return ok(request.json())

    async def test() -> None:
        async with (
            serving(route("POST", "/reads", reads, Body.JSON_OBJECT)) as edge,
            connected(edge) as client,
        ):
            for body, errcode in (
                (b"", "M_NOT_JSON"),
                (b"{", "M_NOT_JSON"),
                (b"[]", "M_BAD_JSON"),
                (b'"\xff"', "M_NOT_JSON"),
            ):
                answer = await client.ask("POST", "/reads", body)
                assert (answer.status, answer.json["errcode"]) == (400, errcode)
            assert orjson.loads((await client.ask("POST", "/reads", b'{"a":[1]}')).body) == {"a": [1]}

    run(test())
