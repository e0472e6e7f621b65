"""Registration tokens: how often and how long they let people register."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamrasan.accounts.user_interactive import Operation, Session, StageFailed
from hamrasan.protocol.errors import MatrixError
from tests.identities import World, in_world

OPERATION = Operation("register", (), {})


def session(name: str) -> Session:
    return Session(name, OPERATION, 1e9)


async def lend(world: World, token: str, to: Session) -> str:
    found: str = await world.identity.registration_tokens.stage(to, {"token": token})
    return found


def end(it: Session) -> None:
    while it.on_end:
        it.on_end.pop()()


def test_a_use_is_lent_until_the_session_ends(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        tokens = world.identity.registration_tokens
        await tokens.create("invitation", 2, None)
        first, second = session("first"), session("second")
        assert await lend(world, "invitation", first) == "invitation"
        await lend(world, "invitation", second)
        assert (tokens.pending("invitation"), await tokens.is_valid("invitation")) == (2, False)
        with pytest.raises(StageFailed) as caught:
            await lend(world, "invitation", session("third"))
        assert caught.value.errcode == "M_UNAUTHORIZED"
        end(first)
        assert (tokens.pending("invitation"), await tokens.is_valid("invitation")) == (1, True)

    in_world(tmp_path, scenario)


def test_a_token_expires(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        tokens = world.identity.registration_tokens
        await tokens.create("soon", None, world.clock.now_ms() + 1_000)
        assert await tokens.is_valid("soon")
        world.clock.advance(1)
        assert not await tokens.is_valid("soon")

    in_world(tmp_path, scenario)


@pytest.mark.parametrize(("uses", "valid"), [(0, False), (1, True), (None, True)])
def test_uses_allowed(tmp_path: Path, uses: int | None, valid: bool) -> None:
    async def scenario(world: World) -> None:
        await world.identity.registration_tokens.create("t", uses, None)
        assert await world.identity.registration_tokens.is_valid("t") is valid

    in_world(tmp_path, scenario)


def test_an_unknown_token_is_not_valid(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert not await world.identity.registration_tokens.is_valid("nothing")

    in_world(tmp_path, scenario)


def test_a_token_without_a_name_is_drawn(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        tokens = world.identity.registration_tokens
        first, second = await tokens.create(None, 1, None), await tokens.create(None, 1, None)
        assert first.token != second.token
        assert {row.token for row in await tokens.all()} == {first.token, second.token}

    in_world(tmp_path, scenario)


def test_limits_change_and_uses_stay_counted(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        tokens = world.identity.registration_tokens
        await tokens.create("t", 1, None)
        await tokens.change("t", 5, world.clock.now_ms() + 9_000)
        assert await tokens.find("t") == ("t", 5, 0, world.clock.now_ms() + 9_000, world.clock.now_ms())
        await tokens.delete("t")
        for refused in (tokens.find("t"), tokens.delete("t"), tokens.change("t", 1, None)):
            with pytest.raises(MatrixError) as caught:
                await refused
            assert caught.value.errcode == "M_NOT_FOUND"

    in_world(tmp_path, scenario)


@pytest.mark.parametrize(
    ("token", "uses", "expires_in_s"),
    [("", 1, None), ("x" * 65, 1, None), ("a b", 1, None), ("t", -1, None), ("t", 2**53, None), ("t", 1, 0)],
)
def test_what_no_token_can_be_is_refused(
    tmp_path: Path, token: str, uses: int, expires_in_s: int | None
) -> None:
    async def scenario(world: World) -> None:
        expires = None if expires_in_s is None else world.clock.now_ms() + expires_in_s * 1000
        with pytest.raises(MatrixError) as caught:
            await world.identity.registration_tokens.create(token, uses, expires)
        assert caught.value.errcode == "M_INVALID_PARAM"
        assert await world.identity.registration_tokens.all() == []

    in_world(tmp_path, scenario)


def test_a_token_is_made_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.identity.registration_tokens.create("t", 1, None)
        with pytest.raises(MatrixError) as caught:
            await world.identity.registration_tokens.create("t", 9, None)
        assert caught.value.errcode == "M_INVALID_PARAM"
        assert (await world.identity.registration_tokens.find("t")).uses_allowed == 1

    in_world(tmp_path, scenario)


def test_a_submission_without_a_token_is_refused(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(MatrixError) as caught:
            await world.identity.registration_tokens.stage(session("s"), {"token": None})
        assert caught.value.errcode == "M_BAD_JSON"

    in_world(tmp_path, scenario)
