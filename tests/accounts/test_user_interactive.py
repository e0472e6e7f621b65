"""User-interactive authentication: stages, flows, and what a session is good for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from hamrasan.accounts import user_interactive
from hamrasan.accounts.user_interactive import (
    SESSION_LIFETIME_S,
    InteractionNeeded,
    Operation,
    Session,
    StageFailed,
    UserInteractive,
)
from hamrasan.protocol.errors import MatrixError
from tests.worlds import ManualClock, SeededEntropy


async def knock(_session: Session, submitted: Mapping[str, Any]) -> str:
    """A stage that wants a word."""
    if submitted.get("word") != "friend":
        raise StageFailed("M_FORBIDDEN", "That is not the word.")
    return "a friend"


async def wave(_session: Session, _submitted: Mapping[str, Any]) -> str:
    """A stage that everybody passes."""
    return "hello"


STAGES = {"knock": knock, "wave": wave, "bow": wave}
SIMPLE = Operation("open", (("knock",),), STAGES)
BOTH = Operation("enter", (("wave", "knock"), ("bow",)), STAGES)
KEEPING = Operation("make", (("wave",),), STAGES, keeps_outcome=True)


class Desk:
    """Somebody who tries to get operations done."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.interactive = UserInteractive(self.clock, SeededEntropy())
        self.ended: list[str] = []

    async def attempt(
        self, operation: Operation, auth: object, *, fails: bool = False
    ) -> dict[str, Any] | None:
        """Try; return None if the operation was done, else the body of the 401."""
        try:
            async with self.interactive.authorized(auth, operation) as session:
                session.on_end.append(lambda: self.ended.append(session.id))
                if fails:
                    raise RuntimeError("the operation itself fails")
        except InteractionNeeded as needed:
            return needed.body()
        return None

    async def begin(self, operation: Operation) -> str:
        body = await self.attempt(operation, None)
        assert body is not None
        session: str = body["session"]
        return session


@pytest.fixture
def run() -> Callable[[Callable[[Desk], Awaitable[None]]], None]:
    async def main(scenario: Callable[[Desk], Awaitable[None]]) -> None:
        await scenario(Desk())

    return lambda scenario: asyncio.run(main(scenario))


Run = Callable[[Callable[[Desk], Awaitable[None]]], None]


def test_nothing_is_done_without_auth(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        body = await desk.attempt(BOTH, None)
        assert body is not None
        session = body.pop("session")
        assert body == {"flows": [{"stages": ["wave", "knock"]}, {"stages": ["bow"]}], "params": {}}
        assert len(session) == user_interactive.SESSION_ID_LETTERS

    run(scenario)


def test_what_is_missing_is_told_with_401() -> None:
    needed = InteractionNeeded(SIMPLE, Session("s", SIMPLE, 0.0))
    assert (needed.status, "errcode" in needed.body()) == (401, False)


def test_a_completed_flow_does_it_once(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        auth = {"type": "knock", "word": "friend", "session": await desk.begin(SIMPLE)}
        assert await desk.attempt(SIMPLE, auth) is None
        again = await desk.attempt(SIMPLE, {"session": auth["session"]})
        assert again is not None
        assert again["session"] != auth["session"]

    run(scenario)


def test_auth_without_a_session_begins_one(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        assert await desk.attempt(SIMPLE, {"type": "knock", "word": "friend"}) is None

    run(scenario)


def test_a_failed_stage_can_be_tried_again(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        session = await desk.begin(SIMPLE)
        body = await desk.attempt(SIMPLE, {"type": "knock", "word": "foe", "session": session})
        assert body == {
            "errcode": "M_FORBIDDEN",
            "error": "That is not the word.",
            "flows": [{"stages": ["knock"]}],
            "params": {},
            "session": session,
            "completed": [],
        }
        assert await desk.attempt(SIMPLE, {"type": "knock", "word": "friend", "session": session}) is None

    run(scenario)


def test_stages_of_a_flow_come_in_order(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        session = await desk.begin(BOTH)
        early = await desk.attempt(BOTH, {"type": "knock", "word": "friend", "session": session})
        assert early is not None
        assert (early["errcode"], early["completed"]) == ("M_UNRECOGNIZED", [])
        first = await desk.attempt(BOTH, {"type": "wave", "session": session})
        assert first is not None
        assert (first["completed"], first.get("errcode")) == (["wave"], None)
        assert await desk.attempt(BOTH, {"type": "knock", "word": "friend", "session": session}) is None

    run(scenario)


def test_a_flow_once_begun_is_not_mixed_with_another(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        session = await desk.begin(BOTH)
        await desk.attempt(BOTH, {"type": "wave", "session": session})
        mixed = await desk.attempt(BOTH, {"type": "bow", "session": session})
        assert mixed is not None
        assert mixed["completed"] == ["wave"]

    run(scenario)


def test_a_completed_stage_cannot_be_tried_again(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        session = await desk.begin(BOTH)
        for _ in range(2):
            body = await desk.attempt(BOTH, {"type": "wave", "session": session})
            assert body is not None
            assert (body["completed"], body.get("errcode")) == (["wave"], None)

    run(scenario)


def test_an_unknown_stage_is_named(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        body = await desk.attempt(SIMPLE, {"type": "m.login.recaptcha"})
        assert body is not None
        assert body["errcode"] == "M_UNRECOGNIZED"
        assert "m.login.recaptcha" in body["error"]

    run(scenario)


@pytest.mark.parametrize("auth", ["friend", ["knock"], {"type": 7}, {"session": {}}])
def test_auth_of_a_wrong_form_is_refused(run: Run, auth: object) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(MatrixError) as caught:
            await desk.attempt(SIMPLE, auth)
        assert caught.value.errcode == "M_BAD_JSON"

    run(scenario)


def test_a_session_is_good_for_its_operation_only(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        session = await desk.begin(SIMPLE)
        with pytest.raises(MatrixError) as caught:
            await desk.attempt(BOTH, {"type": "bow", "session": session})
        assert caught.value.errcode == "M_FORBIDDEN"
        assert await desk.attempt(SIMPLE, {"type": "knock", "word": "friend", "session": session}) is None

    run(scenario)


def test_a_session_ends_with_time(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        session = await desk.begin(BOTH)
        await desk.attempt(BOTH, {"type": "wave", "session": session})
        desk.clock.advance(SESSION_LIFETIME_S)
        body = await desk.attempt(BOTH, {"type": "knock", "word": "friend", "session": session})
        assert body is not None
        assert (body["completed"], body["session"] == session) == ([], False)

    run(scenario)


def test_the_oldest_session_makes_room(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_interactive, "MAX_SESSIONS", 3)

    async def scenario(desk: Desk) -> None:
        sessions = [await desk.begin(BOTH) for _ in range(4)]
        after = [await desk.attempt(BOTH, {"session": session}) for session in sessions[1:]]
        assert [body["session"] if body else None for body in after] == sessions[1:]
        first = await desk.attempt(BOTH, {"session": sessions[0]})
        assert first is not None
        assert first["session"] not in sessions

    run(scenario)


def test_what_was_authenticated_stays_so_when_the_operation_fails(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        session = await desk.begin(SIMPLE)
        auth = {"type": "knock", "word": "friend", "session": session}
        with pytest.raises(RuntimeError):
            await desk.attempt(SIMPLE, auth, fails=True)
        assert desk.ended == []
        assert await desk.attempt(SIMPLE, {"session": session}) is None
        assert set(desk.ended) == {session}

    run(scenario)


def test_what_a_session_holds_is_released_when_it_ends_unused(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        session = await desk.begin(SIMPLE)
        with pytest.raises(RuntimeError):
            await desk.attempt(SIMPLE, {"type": "knock", "word": "friend", "session": session}, fails=True)
        desk.clock.advance(SESSION_LIFETIME_S)
        await desk.begin(SIMPLE)
        assert desk.ended == [session]

    run(scenario)


def test_two_requests_with_one_session_do_it_once(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        auth = {"type": "knock", "word": "friend", "session": await desk.begin(SIMPLE)}
        done = 0

        async def slowly() -> None:
            nonlocal done
            async with desk.interactive.authorized({"session": auth["session"]}, SIMPLE):
                await asyncio.sleep(0)
                done += 1

        with pytest.raises(RuntimeError):
            await desk.attempt(SIMPLE, auth, fails=True)
        results = await asyncio.gather(slowly(), slowly(), return_exceptions=True)
        assert done == 1
        assert [type(result) for result in results if result] == [InteractionNeeded]

    run(scenario)


def test_an_outcome_is_told_again(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        auth = {"type": "wave", "session": await desk.begin(KEEPING)}
        assert not desk.interactive.done(auth, KEEPING)
        async with desk.interactive.authorized(auth, KEEPING) as session:
            session.outcome = "made"
        assert desk.interactive.done(auth, KEEPING)
        async with desk.interactive.authorized(auth, KEEPING) as session:
            assert session.outcome == "made"
        desk.clock.advance(SESSION_LIFETIME_S)
        assert not desk.interactive.done(auth, KEEPING)

    run(scenario)
