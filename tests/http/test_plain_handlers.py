"""Handlers that are no coroutines: they return the answer itself, or the coroutine that will find it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hamrasan.http.request import Request
from hamrasan.http.response import Answer, ok
from hamrasan.protocol.errors import not_found
from tests.http.edges import Waiting, World, connected, route, serving, until
from tests.http.running import run


def plain(request: Request, services: World) -> Answer | Coroutine[Any, Any, Answer]:
    """Do what the path asks for."""
    kind = request.path["kind"]
    if kind == "missing":
        raise not_found("There is nothing of this kind.")
    if kind == "broken":
        raise RuntimeError("a bug")
    if kind == "parked":
        waiting = Waiting(None)
        services.parked.append(waiting)
        return waiting
    return later(kind) if kind == "later" else ok({"kind": kind})


async def later(kind: str) -> Answer:
    await asyncio.sleep(0)
    return ok({"kind": kind})


def test_what_a_plain_handler_returns_or_raises_is_answered() -> None:
    async def test() -> None:
        async with serving(route("GET", "/plain/{kind}", plain)) as edge, connected(edge) as client:
            assert (await client.ask("GET", "/plain/now")).json == {"kind": "now"}
            assert (await client.ask("GET", "/plain/later")).json == {"kind": "later"}
            refused = await client.ask("GET", "/plain/missing")
            assert (refused.status, refused.json["errcode"]) == (404, "M_NOT_FOUND")
            assert (await client.ask("GET", "/plain/broken")).status == 500
            assert (await client.ask("GET", "/plain/now")).status == 200

    run(test())


def test_a_plain_handler_may_park() -> None:
    async def test() -> None:
        world = World()
        routes = route("GET", "/plain/{kind}", plain)
        async with serving(routes, world=world) as edge, connected(edge) as client:
            asking = asyncio.ensure_future(client.ask("GET", "/plain/parked"))
            await until(lambda: world.parked and world.parked[0].connection)
            world.parked[0].answer({"kind": "parked"})
            assert (await asking).json == {"kind": "parked"}

    run(test())
