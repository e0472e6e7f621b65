"""Slow clients: each gets its time, and no more. The clock is the test's."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from hamrasan.http import limits
from hamrasan.http.edge import Edge
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Response
from hamrasan.http.route import Body
from tests.http.edges import ECHO, World, connected, echo, message, route, serving, until
from tests.http.running import run
from tests.worlds import ManualClock


async def _settle() -> None:
    """Let what was sent arrive: the kernel hands bytes over at once, the loop sees them in a few turns."""
    for _ in range(20):
        await asyncio.sleep(0)


def _pass(edge: Edge, clock: ManualClock, seconds: float) -> None:
    clock.advance(seconds)
    edge.turn()


def test_a_client_that_says_nothing() -> None:
    async def test() -> None:
        clock = ManualClock()
        async with serving(clock=clock) as edge, connected(edge) as client:
            await until(lambda: edge.connections)
            _pass(edge, clock, limits.FIRST_REQUEST_SECONDS - 1)
            await _settle()
            assert edge.connections == 1
            _pass(edge, clock, 2)
            assert await client.is_closed()

    run(test())


def test_a_head_that_drips() -> None:
    async def test() -> None:
        clock = ManualClock()
        async with serving(clock=clock) as edge, connected(edge) as client:
            for byte in b"GET /echo":
                await client.send(bytes([byte]))
                await _settle()
                _pass(edge, clock, limits.HEAD_SECONDS / 10)
            await client.send(b"/x HTT")
            await _settle()
            _pass(edge, clock, limits.HEAD_SECONDS / 5)
            answer = await client.answer()
            assert answer.status == 408
            assert await client.is_closed()

    run(test())


def test_blank_lines_do_not_keep_a_connection_alive() -> None:
    async def test() -> None:
        clock = ManualClock()
        async with serving(clock=clock) as edge, connected(edge) as client:
            for _ in range(8):
                await client.send(b"\r\n")
                await _settle()
                _pass(edge, clock, limits.FIRST_REQUEST_SECONDS / 7)
            assert await client.is_closed()

    run(test())


@pytest.mark.parametrize(("bytes_a_second", "served"), [(limits.MIN_BODY_RATE * 2, True), (8, False)])
def test_a_body_that_comes_slowly(bytes_a_second: int, served: bool) -> None:
    async def test() -> None:
        clock = ManualClock()
        async with serving(clock=clock) as edge, connected(edge) as client:
            body = b"x" * bytes_a_second * 200
            data = message("POST", "/echo/x", body)
            await client.send(data[: -len(body)])
            for start in range(0, len(body), bytes_a_second * 10):
                if not edge.connections or edge._engine.draining:
                    break
                await client.send(body[start : start + bytes_a_second * 10])
                await _settle()
                _pass(edge, clock, 10)
            assert (await client.answer()).status == (200 if served else 408)

    run(test())


def test_a_body_that_stops() -> None:
    async def test() -> None:
        clock = ManualClock()
        async with serving(clock=clock) as edge, connected(edge) as client:
            await client.send(message("POST", "/echo/x", b"x" * 5000)[:-1])
            await _settle()
            _pass(edge, clock, limits.BODY_SECONDS - 1)
            await _settle()
            assert edge.connections == 1
            _pass(edge, clock, 25)
            assert (await client.answer()).status == 408
            assert await client.is_closed()

    run(test())


def test_an_idle_connection() -> None:
    async def test() -> None:
        clock = ManualClock()
        async with serving(clock=clock) as edge, connected(edge) as client:
            for _ in range(5):
                assert (await client.ask("GET", "/echo/x")).status == 200
                _pass(edge, clock, limits.IDLE_SECONDS - 1)
                await _settle()
            _pass(edge, clock, 2)
            assert await client.is_closed()

    run(test())


def test_a_handler_may_take_as_long_as_it_needs() -> None:
    async def test() -> None:
        clock, go_on = ManualClock(), asyncio.Event()

        async def slow(request: Request, services: World) -> Answer:
            await go_on.wait()
            return await echo(request, services)

        async with serving(route("GET", "/slow", slow), clock=clock) as edge, connected(edge) as client:
            await client.send(message("GET", "/slow"))
            await _settle()
            _pass(edge, clock, 10_000)
            await _settle()
            go_on.set()
            assert (await client.answer()).status == 200

    run(test())


def test_a_client_that_does_not_read_its_answer_is_dropped_and_a_slow_one_is_not() -> None:
    async def large(_request: Request, _services: World) -> Answer:
        return Response(200, b"x" * 30_000_000)

    async def test() -> None:
        clock, world = ManualClock(), World()
        async with serving(ECHO, route("GET", "/large", large), clock=clock, world=world) as edge:
            sock = socket.create_connection(edge.addresses[0])
            sock.setblocking(False)
            sock.send(message("GET", "/large") + message("GET", "/echo/x"))
            await until(lambda: world.observed)
            read = 0
            for _ in range(5):
                _pass(edge, clock, limits.STALLED_WRITE_SECONDS + 1)
                await _settle()
                assert edge.connections == 1
                for _ in range(40):
                    await asyncio.sleep(0)
                    try:
                        read += len(sock.recv(65536))
                    except BlockingIOError:
                        continue
            assert 0 < read < 30_000_000
            assert world.requests == [], "the next request waits until the client has taken its answer"
            for _ in range(3):
                _pass(edge, clock, limits.STALLED_WRITE_SECONDS + 1)
                await _settle()
            await until(lambda: edge.connections == 0)
            sock.close()

    run(test())


def test_after_a_refusal_the_rest_is_read_but_not_for_ever() -> None:
    async def test() -> None:
        clock = ManualClock()
        small = route("POST", "/echo/{name}", echo, Body.JSON_OBJECT, body_limit=10)
        async with serving(small, clock=clock) as edge, connected(edge) as client:
            await client.send(message("POST", "/echo/x", b"x" * 100_000)[:50_000])
            assert (await client.answer()).status == 413
            await client.send(b"x" * 1000)
            await _settle()
            assert edge.connections == 1
            _pass(edge, clock, limits.LINGER_SECONDS + 1)
            await until(lambda: edge.connections == 0)

    run(test())


def test_after_a_refusal_the_rest_is_read_up_to_a_limit() -> None:
    async def test() -> None:
        small = route("POST", "/echo/{name}", echo, Body.JSON_OBJECT, body_limit=10)
        async with serving(small) as edge, connected(edge) as client:
            await client.send(message("POST", "/echo/x", b"x" * 50_000_000)[:50_000])
            assert (await client.answer()).status == 413
            sent = 0
            with suppress(ConnectionError):
                while edge.connections:
                    await client.send(b"x" * 50_000)
                    sent += 50_000
            assert sent > limits.LINGER_BYTES // 2
            await until(lambda: edge.connections == 0)

    run(test())
