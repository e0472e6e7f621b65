"""Many requests at once are spread over turns of the loop, each is answered, and nobody is served out of turn."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from hamrasan.http.limits import TURN_SECONDS
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, ok
from tests.http.edges import connected, message, route, serving, until
from tests.http.running import run
from tests.worlds import ManualClock

CLIENTS = 30


def test_requests_that_come_at_once_take_several_turns() -> None:
    async def test() -> None:
        clock, turn = ManualClock(), 0
        turns: list[int] = []
        loop = asyncio.get_running_loop()

        def count_turns() -> None:
            nonlocal turn
            turn += 1
            if len(turns) < CLIENTS:
                loop.call_soon(count_turns)

        async def slow(_request: Request, _services: object) -> Answer:
            turns.append(turn)
            clock.advance(TURN_SECONDS * 0.6)
            return ok({})

        async with AsyncExitStack() as stack:
            edge = await stack.enter_async_context(serving(route("GET", "/slow", slow), clock=clock))
            clients = [await stack.enter_async_context(connected(edge)) for _ in range(CLIENTS)]
            await until(lambda: edge.connections == CLIENTS)
            count_turns()
            for client in clients:
                client.writer.write(message("GET", "/slow"))
            for client in clients:
                assert (await client.answer()).status == 200
            assert max(turns.count(number) for number in set(turns)) <= 2, "two of them use a turn up"
            assert (await clients[0].ask("GET", "/slow")).status == 200, "the socket is read again"

    run(test())


def test_who_waits_for_a_turn_may_send_more_and_may_leave() -> None:
    async def test() -> None:
        clock = ManualClock()
        bodies: list[bytes] = []

        async def slow(request: Request, _services: object) -> Answer:
            bodies.append(request.target.encode())
            clock.advance(TURN_SECONDS * 2)
            return ok({})

        async with serving(route("GET", "/slow/{name}", slow), clock=clock) as edge:
            async with connected(edge) as first, connected(edge) as second:
                async with connected(edge) as third:
                    await until(lambda: edge.connections == 3)
                    for client, name in ((first, "a"), (second, "b"), (third, "c")):
                        client.writer.write(message("GET", f"/slow/{name}"))
                    second.writer.write(message("GET", "/slow/d"))
                    third.reset()
                assert (await first.answer()).status == 200
                assert [(await second.answer()).status for _ in range(2)] == [200, 200]
                await until(lambda: edge.connections == 2)
            assert bodies.index(b"/slow/b") < bodies.index(b"/slow/d")

    run(test())


def test_who_waits_for_a_turn_may_have_said_everything() -> None:
    async def test() -> None:
        clock = ManualClock()

        async def slow(_request: Request, _services: object) -> Answer:
            clock.advance(TURN_SECONDS * 2)
            return ok({})

        async with AsyncExitStack() as stack:
            edge = await stack.enter_async_context(serving(route("GET", "/slow", slow), clock=clock))
            clients = [await stack.enter_async_context(connected(edge)) for _ in range(3)]
            await until(lambda: edge.connections == 3)
            for client in clients:
                client.writer.write(message("GET", "/slow"))
                client.writer.write_eof()
            for client in clients:
                assert (await client.answer()).status == 200
                assert await client.is_closed()

    run(test())
