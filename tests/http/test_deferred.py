"""Answers that wait for one thing: sent when it is done, or as its error, if anybody is still there."""

from __future__ import annotations

import asyncio

from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Deferred, ok
from hamrasan.http.route import Route
from hamrasan.protocol.errors import MatrixError
from tests.http.edges import ECHO, connected, message, route, serving, until
from tests.http.running import run

Waits = list["asyncio.Future[None]"]


def waiting_route(waits: Waits) -> Route:
    """Return an endpoint that answers once the test ends what it adds to `waits`."""

    async def wait(_request: Request, _services: object) -> Answer:
        waits.append(asyncio.get_running_loop().create_future())
        return Deferred(ok({"done": len(waits)}), waits[-1])

    return route("PUT", "/wait", wait)


def test_is_answered_when_it_is_done_and_the_next_request_waits() -> None:
    async def test() -> None:
        waits: Waits = []
        async with serving(waiting_route(waits), ECHO) as edge, connected(edge) as client:
            await client.send(message("PUT", "/wait") + message("GET", "/echo/x"))
            await until(lambda: waits)
            waits[0].set_result(None)
            assert (await client.answer()).json == {"done": 1}
            assert (await client.answer()).json["path"] == {"name": "x"}

    run(test())


def test_what_is_done_already_is_answered_as_well() -> None:
    async def test() -> None:
        async def done(_request: Request, _services: object) -> Answer:
            future = asyncio.get_running_loop().create_future()
            future.set_result(None)
            return Deferred(ok({}), future)

        async with serving(route("PUT", "/done", done)) as edge, connected(edge) as client:
            assert (await client.ask("PUT", "/done")).status == 200

    run(test())


def test_its_error_is_answered_and_the_connection_lives_on() -> None:
    async def test() -> None:
        waits: Waits = []
        async with serving(waiting_route(waits), ECHO) as edge, connected(edge) as client:
            for error in (MatrixError(503, "M_UNKNOWN", "Not now."), RuntimeError("a bug"), None):
                await client.send(message("PUT", "/wait"))
                await until(lambda: waits)
                if error is None:
                    waits[-1].cancel()
                else:
                    waits[-1].set_exception(error)
                answer = await client.answer()
                assert answer.status == (503 if isinstance(error, MatrixError) or error is None else 500)
                waits.clear()
            assert (await client.ask("GET", "/echo/x")).status == 200

    run(test())


def test_nobody_is_answered_who_has_gone() -> None:
    async def test() -> None:
        waits: Waits = []
        async with serving(waiting_route(waits)) as edge:
            for fails in (False, True):
                async with connected(edge) as client:
                    await client.send(message("PUT", "/wait"))
                    await until(lambda: waits)
                    client.reset()
                await until(lambda: edge.connections == 0)
                if fails:
                    waits[0].set_exception(MatrixError(503, "M_UNKNOWN", "Not now."))
                else:
                    waits[0].set_result(None)
                waits.clear()
            async with connected(edge) as client:
                await client.send(message("PUT", "/wait"))
                await until(lambda: waits)
                waits[0].set_result(None)
                assert (await client.answer()).status == 200

    run(test())


def test_shutdown_waits_for_it() -> None:
    async def test() -> None:
        waits: Waits = []
        async with serving(waiting_route(waits)) as edge, connected(edge) as client:
            await client.send(message("PUT", "/wait"))
            await until(lambda: waits)
            stopping = asyncio.create_task(edge.shutdown(30))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not stopping.done()
            waits[0].set_result(None)
            answer = await client.answer()
            assert (answer.json, answer.headers["connection"]) == ({"done": 1}, "close")
            await stopping

    run(test())
