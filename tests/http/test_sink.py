"""What all unfinished requests together may hold."""

from __future__ import annotations

import pytest

from hamrasan.http import sink
from hamrasan.http.request import Request
from hamrasan.http.response import Answer
from hamrasan.http.route import Body
from tests.http.edges import World, connected, echo, message, route, serving, until
from tests.http.running import run


def test_unfinished_requests_share_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "MAX_PARTIAL_BYTES", 150_000)

    async def test() -> None:
        world = World()
        async with serving(route("POST", "/echo/{name}", echo, Body.JSON_OBJECT), world=world) as edge:
            budget = edge._engine._budget
            data = message("POST", "/echo/x", b"x" * 100_000)
            async with connected(edge) as first:
                await first.send(data[:-1])
                await until(lambda: budget.used > 90_000)
                async with connected(edge) as second:
                    await second.send(data[:-1])
                    answer = await second.answer()
                    assert (answer.status, answer.json["errcode"]) == (503, "M_UNKNOWN")
                    assert await second.is_closed()
                await first.send(data[-1:])
                assert (await first.answer()).status == 200
                assert budget.used == 0
                await first.send(data[:-1])
                await until(lambda: budget.used > 90_000)
            await until(lambda: budget.used == 0)
            assert len(world.requests) == 1

    run(test())


def test_what_is_streamed_or_complete_is_not_in_it() -> None:
    async def takes(request: Request, services: World) -> Answer:
        async for _ in request.chunks():
            assert budget_of[0].used == 0
        return await echo(request, services)

    budget_of: list[sink.Budget] = []

    async def test() -> None:
        async with serving(route("POST", "/takes", takes, Body.STREAM)) as edge, connected(edge) as client:
            budget_of.append(edge._engine._budget)
            assert (await client.ask("POST", "/takes", b"x" * 1_000_000)).status == 200
            assert budget_of[0].used == 0

    run(test())
