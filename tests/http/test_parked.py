"""Parked requests: answered from elsewhere, ended by the client, by time, or by the server; and what one costs."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from hamrasan.http.connection import HttpConnection
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Connection, Response, ok
from tests.http.edges import ECHO, Waiting, World, connected, message, route, serving, until
from tests.http.running import run
from tests.worlds import ManualClock


def test_is_answered_when_something_happens() -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as client:
            await client.send(message("GET", "/park"))
            await until(lambda: world.parked)
            world.parked[0].answer({"news": 1})
            assert (await client.answer()).json == {"news": 1}
            assert world.parked[0].ends == []
            assert (await client.ask("GET", "/echo/x")).status == 200

    run(test())


def test_is_counted_while_it_waits_however_it_ends() -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as stays:
            async with connected(edge) as goes:
                await stays.send(message("GET", "/park"))
                await goes.send(message("GET", "/park"))
                await until(lambda: len(world.parked) == 2)
                assert edge.parked == 2
            await until(lambda: edge.parked == 1)
            for waiting in world.parked:
                if not waiting.ends:
                    waiting.answer({})
            await stays.answer()
            assert edge.parked == 0
            await stays.send(message("GET", "/park"))
            await until(lambda: edge.parked == 1)
        assert edge.parked == 0

    run(test())


def test_the_next_request_waits_for_it() -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as client:
            await client.send(message("GET", "/park") + message("GET", "/echo/x"))
            await until(lambda: world.parked)
            await client.send(message("GET", "/echo/y"))
            for _ in range(20):
                await asyncio.sleep(0)
            assert world.requests == []
            world.parked[0].answer({"news": 1})
            assert (await client.answer()).json == {"news": 1}
            assert (await client.answer()).json["path"] == {"name": "x"}
            assert (await client.answer()).json["path"] == {"name": "y"}

    run(test())


def test_no_handler_runs_inside_whoever_answers() -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as client:
            await client.send(message("GET", "/park") + message("GET", "/echo/x"))
            await until(lambda: world.parked)
            world.parked[0].answer({})
            assert world.requests == []
            await client.answer()
            assert (await client.answer()).json["path"] == {"name": "x"}

    run(test())


@pytest.mark.parametrize("reset", [False, True])
def test_is_cancelled_when_the_client_goes_away(reset: bool) -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge:
            async with connected(edge) as client:
                await client.send(message("GET", "/park"))
                await until(lambda: world.parked)
                if reset:
                    client.reset()
            await until(lambda: edge.connections == 0)
            assert world.parked[0].ends == ["cancelled"]
            world.parked[0].answer({"too": "late"})
            assert world.observed == []

    run(test())


def test_answering_twice_does_nothing() -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as client:
            await client.send(message("GET", "/park"))
            await until(lambda: world.parked)
            world.parked[0].answer({"answer": 1})
            world.parked[0].answer({"answer": 2})
            assert (await client.answer()).json == {"answer": 1}
            assert (await client.ask("GET", "/echo/x")).json["path"] == {"name": "x"}

    run(test())


def test_an_old_waiter_cannot_answer_a_new_request() -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as client:
            await client.send(message("GET", "/park"))
            await until(lambda: world.parked)
            world.parked[0].answer({"answer": 1})
            await client.answer()
            await client.send(message("GET", "/park"))
            await until(lambda: len(world.parked) == 2)
            world.parked[0].answer({"answer": "stale"})
            world.parked[1].answer({"answer": 2})
            assert (await client.answer()).json == {"answer": 2}

    run(test())


def test_expires_by_the_clock_of_the_edge() -> None:
    async def test() -> None:
        world, clock = World(), ManualClock()
        async with serving(world=world, clock=clock) as edge, connected(edge) as client:
            await client.send(message("GET", "/park?seconds=30"))
            await until(lambda: world.parked)
            clock.advance(29)
            edge.turn()
            assert world.parked[0].ends == []
            clock.advance(2)
            edge.turn()
            assert world.parked[0].ends == ["expired"]
            assert (await client.answer()).json == {"expired": True}
            assert (await client.ask("GET", "/echo/x")).status == 200

    run(test())


def test_without_a_timeout_it_waits_for_ever() -> None:
    async def test() -> None:
        world, clock = World(), ManualClock()
        async with serving(world=world, clock=clock) as edge, connected(edge) as client:
            await client.send(message("GET", "/park"))
            await until(lambda: world.parked)
            clock.advance(1_000_000)
            edge.turn()
            assert world.parked[0].ends == []
            world.parked[0].answer({"patience": True})
            assert (await client.answer()).json == {"patience": True}

    run(test())


def test_is_answered_early_when_the_server_stops() -> None:
    async def test() -> None:
        world = World()
        async with serving(world=world) as edge, connected(edge) as client:
            await client.send(message("GET", "/park"))
            await until(lambda: world.parked)
            await edge.shutdown(5)
            assert world.parked[0].ends == ["drained"]
            answer = await client.answer()
            assert answer.json == {"drained": True}
            assert answer.headers["connection"] == "close"
            assert await client.is_closed()

    run(test())


def test_may_be_answered_while_it_starts_or_fail_to() -> None:
    class Quick(Waiting):
        __slots__ = ()

        def start(self, connection: Connection) -> None:
            connection.respond(ok({"quick": True}))

    class Failing(Waiting):
        __slots__ = ()

        def start(self, connection: Connection) -> None:
            raise KeyError("start")

    class FailingLater(Waiting):
        __slots__ = ()

        def expired(self) -> Response:
            raise KeyError("expired")

    async def quick(request: Request, services: World) -> Answer:
        return Quick()

    async def failing(request: Request, services: World) -> Answer:
        return Failing()

    async def failing_later(request: Request, services: World) -> Answer:
        return FailingLater(1.0)

    async def test() -> None:
        clock = ManualClock()
        routes = [
            route("GET", f"/{handler.__name__}", handler) for handler in (quick, failing, failing_later)
        ]
        async with serving(ECHO, *routes, clock=clock) as edge, connected(edge) as client:
            assert (await client.ask("GET", "/quick")).json == {"quick": True}
            assert (await client.ask("GET", "/failing")).status == 500
            await client.send(message("GET", "/failing_later") + message("GET", "/echo/x"))
            for _ in range(20):
                await asyncio.sleep(0)
            clock.advance(2)
            edge.turn()
            assert (await client.answer()).status == 500
            assert (await client.answer()).status == 200

    run(test())


def test_two_thousand_parked_requests_hold_nothing_but_themselves() -> None:
    """The price of an idle messenger: a parked request is its connection and its waiter, no task, parser or request."""
    count = 2000

    async def test() -> None:
        others = [item for item in gc.get_objects() if isinstance(item, HttpConnection | Request)]
        world = World()
        async with serving(world=world) as edge:
            clients = []
            for _ in range(count):
                client = connected(edge)
                clients.append(client)
                await (await client.__aenter__()).send(
                    message("GET", "/park?seconds=30", b"", "Authorization: Bearer x")
                )
            await until(lambda: len(world.parked) == count)
            gc.collect()
            not_ours = {id(item) for item in others}  # they are kept, so that none of their ids is used again
            ours = [item for item in gc.get_objects() if id(item) not in not_ours]
            connections = [item for item in ours if isinstance(item, HttpConnection)]
            assert len(connections) == count
            assert not [item for item in ours if isinstance(item, Request)]
            assert len(asyncio.all_tasks()) == 1
            for connection in connections:
                assert not hasattr(connection, "__dict__")
                assert connection._sink is None
                assert connection._task is None
                assert connection._queue is None
                exchange = connection._exchange
                assert exchange is not None
                assert exchange.request is None
                own = sys.getsizeof(connection) + sys.getsizeof(exchange) + sys.getsizeof(connection._parked)
                assert own < 600
            for waiting in world.parked:
                waiting.answer({})
            for client in clients:
                await client.__aexit__(None, None, None)

    run(test())
