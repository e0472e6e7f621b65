"""Passwords: what is kept of them, and who passes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import argon2
import pytest

from hamrasan.accounts.passwords import (
    COST,
    MAX_CONCURRENT,
    MAX_PASSWORD_BYTES,
    MAX_WAITING,
    MIN_PASSWORD_CHARS,
    PasswordCost,
    Passwords,
    check_new_password,
)
from hamrasan.protocol.errors import MatrixError
from tests.identities import CHEAP


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(CHEAP)
    yield made
    made.close()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    asyncio.run(main())


def test_a_password_passes_and_another_does_not(passwords: Passwords) -> None:
    async def scenario() -> None:
        kept = await passwords.hash("correct horse")
        assert "correct horse" not in kept
        assert await passwords.verify(kept, "correct horse")
        assert not await passwords.verify(kept, "correct horsf")

    run(scenario)


def test_two_hashes_of_a_password_differ(passwords: Passwords) -> None:
    async def scenario() -> None:
        assert await passwords.hash("correct horse") != await passwords.hash("correct horse")

    run(scenario)


def test_hashes_are_argon2id_at_the_cost_asked_for(passwords: Passwords) -> None:
    async def scenario() -> None:
        parameters = argon2.extract_parameters(await passwords.hash("correct horse"))
        assert parameters.type is argon2.Type.ID
        found = (parameters.memory_cost, parameters.time_cost, parameters.parallelism)
        assert found == (CHEAP.memory_kib, CHEAP.passes, CHEAP.lanes)

    run(scenario)


def test_the_cost_in_use_is_above_the_least_recommended() -> None:
    assert COST.memory_kib * COST.passes >= 19 * 1024 * 2


def test_a_letter_typed_as_one_or_as_two_characters_is_the_same(passwords: Passwords) -> None:
    async def scenario() -> None:
        kept = await passwords.hash("caf\u00e9 au lait")
        assert await passwords.verify(kept, "cafe\u0301 au lait")

    run(scenario)


@pytest.mark.parametrize("password", ["", "correct horse", "x" * 600])
def test_nobody_passes_without_a_hash(passwords: Passwords, password: str) -> None:
    async def scenario() -> None:
        assert not await passwords.verify(None, password)

    run(scenario)


@pytest.mark.parametrize(
    "kept", ["", "plain", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$", "$2b$12$abcdefghijklmnopqrstuv"]
)
def test_nobody_passes_with_a_hash_that_is_none(passwords: Passwords, kept: str) -> None:
    async def scenario() -> None:
        assert not await passwords.verify(kept, "plain")

    run(scenario)


def test_half_a_surrogate_pair_is_a_wrong_password_like_any_other(passwords: Passwords) -> None:
    async def scenario() -> None:
        kept = await passwords.hash("correct horse")
        assert not await passwords.verify(kept, "\ud800")

    run(scenario)


def test_a_hash_of_another_cost_is_due_for_a_new_one(passwords: Passwords) -> None:
    async def scenario() -> None:
        other = Passwords(PasswordCost(memory_kib=16, passes=1, lanes=1))
        try:
            assert passwords.needs_rehash(await other.hash("correct horse"))
            assert not passwords.needs_rehash(await passwords.hash("correct horse"))
        finally:
            other.close()

    run(scenario)


def test_too_many_at_once_are_asked_to_come_back(passwords: Passwords) -> None:
    async def scenario() -> None:
        allowed = MAX_CONCURRENT + MAX_WAITING
        tries = [asyncio.ensure_future(passwords.hash("correct horse")) for _ in range(allowed + 1)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        refused = [result for result in results if isinstance(result, MatrixError)]
        assert [error.errcode for error in refused] == ["M_LIMIT_EXCEEDED"]
        assert await passwords.hash("correct horse")

    run(scenario)


@pytest.mark.parametrize(
    ("password", "errcode"),
    [
        ("x" * (MIN_PASSWORD_CHARS - 1), "M_WEAK_PASSWORD"),
        ("x" * (MAX_PASSWORD_BYTES + 1), "M_INVALID_PARAM"),
    ],
)
def test_a_new_password_is_neither_short_nor_endless(password: str, errcode: str) -> None:
    with pytest.raises(MatrixError) as caught:
        check_new_password(password)
    assert caught.value.errcode == errcode


@pytest.mark.parametrize("password", ["x" * MIN_PASSWORD_CHARS, "x" * MAX_PASSWORD_BYTES, "گذرواژه‌ی خوب"])
def test_other_passwords_may_be_chosen(password: str) -> None:
    check_new_password(password)
