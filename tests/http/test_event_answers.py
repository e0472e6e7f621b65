"""Long answers wait for their turn, and end it however they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hamrasan.http.event_answers import in_turn
from hamrasan.http.response import StreamResponse
from hamrasan.http.streaming import close_stream
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.turns import Turns

SERVER = "there.test"


async def answer() -> StreamResponse:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return StreamResponse(200, chunks())


async def failing() -> StreamResponse:
    raise MatrixError(404, "M_NOT_FOUND", "?")


def test_a_turn_lasts_until_the_answer_is_sent() -> None:
    async def scenario() -> None:
        turns = Turns(at_once=1, waiting=0)
        response = await in_turn(turns, SERVER, answer)
        with pytest.raises(MatrixError) as refusal:
            await in_turn(turns, SERVER, answer)
        assert refusal.value.errcode == "M_LIMIT_EXCEEDED"
        assert [chunk async for chunk in response.chunks] == [b"one", b"two"]
        assert len(turns) == 1
        await close_stream(response)
        assert len(turns) == 0

    asyncio.run(scenario())


def test_a_turn_ends_with_an_answer_that_nobody_reads_or_that_fails() -> None:
    async def scenario() -> None:
        turns = Turns(at_once=1, waiting=0)
        await close_stream(await in_turn(turns, SERVER, answer))
        with pytest.raises(MatrixError):
            await in_turn(turns, SERVER, failing)
        assert len(turns) == 0
        half = await in_turn(turns, SERVER, answer)
        await anext(half.chunks)
        await close_stream(half)
        assert len(turns) == 0

    asyncio.run(scenario())
