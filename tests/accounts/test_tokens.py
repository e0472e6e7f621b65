"""Tokens: who they let in, for how long, and when they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamrasan.accounts import authenticator
from hamrasan.accounts.authenticator import OutsideChanges
from hamrasan.accounts.tokens import REFRESHABLE_LIFETIME_MS, end_access_token
from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.accounts import AnnounceOutsideChange
from hamrasan.storage.ports.journal import Batch
from tests.identities import ALICE, BOB, World, in_world

UNKNOWN = ("M_UNKNOWN_TOKEN", False)
EXPIRED = ("M_UNKNOWN_TOKEN", True)


async def refusal(world: World, token: str) -> tuple[str, bool] | None:
    """Return errcode and `soft_logout` if the access token is refused, which memory must not contradict."""
    recalled = world.identity.authenticator.recall(token)
    try:
        await world.identity.authenticator.authenticate(token)
    except MatrixError as error:
        assert recalled is None
        return error.errcode, bool(error.extra["soft_logout"])
    return None


async def refresh_refusal(world: World, token: str | None) -> tuple[str, bool] | None:
    """Return errcode and `soft_logout` if the refresh token is refused."""
    try:
        await world.identity.tokens.refresh(token or "")
    except MatrixError as error:
        return error.errcode, bool(error.extra["soft_logout"])
    return None


def test_a_token_says_who_asks(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account(is_admin=True)
        session = await world.session(device_id="PHONE")
        for _ in range(2):  # from the store, then from memory
            requester = await world.who(session)
            assert (requester.user_id, requester.device_id, requester.is_admin) == (ALICE, "PHONE", True)

    in_world(tmp_path, scenario)


@pytest.mark.parametrize("token", ["", "hma_", "hma_unknown", "nonsense", "hma_" + "x" * 1000, "hma_\ud800"])
def test_other_tokens_let_nobody_in(tmp_path: Path, token: str) -> None:
    async def scenario(world: World) -> None:
        assert await refusal(world, token) == UNKNOWN
        assert await refresh_refusal(world, token) == UNKNOWN

    in_world(tmp_path, scenario)


def test_the_store_holds_no_token(tmp_path: Path) -> None:
    given: list[str | None] = []

    async def scenario(world: World) -> None:
        await world.account()
        tokens = (await world.session(refreshable=True)).tokens
        given.extend([tokens.access_token, tokens.refresh_token])
        given.append(await world.identity.login_tokens.issue(ALICE))
        given.append(await world.identity.openid_tokens.issue(ALICE))

    in_world(tmp_path, scenario)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert ALICE.encode() in kept
    for token in given:
        assert token
        assert token.encode() not in kept


def test_a_token_of_one_kind_does_not_pass_as_another(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await world.session(refreshable=True)
        assert session.tokens.refresh_token is not None
        openid_token = await world.identity.openid_tokens.issue(ALICE)
        assert await refusal(world, session.tokens.refresh_token) == UNKNOWN
        assert await refusal(world, openid_token) == UNKNOWN
        assert await refresh_refusal(world, session.tokens.access_token) == UNKNOWN

    in_world(tmp_path, scenario)


def test_a_token_that_cannot_be_refreshed_does_not_expire(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await world.session()
        assert session.tokens.answer().keys() == {"access_token"}
        world.clock.advance(10 * 365 * 86_400)
        assert await refusal(world, session.tokens.access_token) is None

    in_world(tmp_path, scenario)


def test_a_refreshable_token_expires_softly(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await world.session(refreshable=True)
        assert session.tokens.expires_in_ms == REFRESHABLE_LIFETIME_MS
        world.clock.advance(REFRESHABLE_LIFETIME_MS / 1000 - 1)
        assert await refusal(world, session.tokens.access_token) is None
        world.clock.advance(1)
        assert await refusal(world, session.tokens.access_token) == EXPIRED
        world.identity.authenticator.forget_everything()
        assert await refusal(world, session.tokens.access_token) == EXPIRED
        fresh = await world.identity.tokens.refresh(session.tokens.refresh_token or "")
        assert await refusal(world, fresh.access_token) is None

    in_world(tmp_path, scenario)


def test_the_old_refresh_token_lives_until_the_new_access_token_is_used(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        first = (await world.session(refreshable=True)).tokens
        lost = await world.identity.tokens.refresh(first.refresh_token or "")
        second = await world.identity.tokens.refresh(first.refresh_token or "")
        assert await refusal(world, first.access_token) is None
        assert await refusal(world, lost.access_token) == UNKNOWN
        assert await refresh_refusal(world, lost.refresh_token) == UNKNOWN

        assert await refusal(world, second.access_token) is None
        assert await refusal(world, first.access_token) == UNKNOWN
        assert await refresh_refusal(world, first.refresh_token) == UNKNOWN
        assert await refresh_refusal(world, second.refresh_token) is None

    in_world(tmp_path, scenario)


def test_the_old_refresh_token_lives_until_the_new_refresh_token_is_used(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        first = (await world.session(refreshable=True)).tokens
        second = await world.identity.tokens.refresh(first.refresh_token or "")
        third = await world.identity.tokens.refresh(second.refresh_token or "")
        assert await refresh_refusal(world, first.refresh_token) == UNKNOWN
        assert await refusal(world, first.access_token) == UNKNOWN
        assert await refusal(world, second.access_token) is None
        assert await refusal(world, third.access_token) is None
        assert await refusal(world, second.access_token) == UNKNOWN

    in_world(tmp_path, scenario)


def test_refreshed_tokens_stay_on_their_device(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await world.session(device_id="PHONE", refreshable=True)
        fresh = await world.identity.tokens.refresh(session.tokens.refresh_token or "")
        requester = await world.identity.authenticator.authenticate(fresh.access_token)
        assert (requester.user_id, requester.device_id) == (ALICE, "PHONE")

    in_world(tmp_path, scenario)


def test_a_locked_account_is_kept_out_softly_and_may_log_out(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await world.session(refreshable=True)
        await world.who(session)
        await world.identity.accounts.set_locked(ALICE, True)
        assert await refusal(world, session.tokens.access_token) == ("M_USER_LOCKED", True)
        assert await refresh_refusal(world, session.tokens.refresh_token) == ("M_USER_LOCKED", True)
        access_token = session.tokens.access_token
        assert world.identity.authenticator.recall(access_token) is None
        requester = await world.identity.authenticator.authenticate(access_token, even_locked=True)
        assert requester.user_id == ALICE
        await world.identity.accounts.set_locked(ALICE, False)
        assert await refusal(world, session.tokens.access_token) is None

    in_world(tmp_path, scenario)


def test_what_an_account_may_do_is_known_at_the_next_request(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await world.session()
        assert not (await world.who(session)).is_admin
        await world.identity.accounts.set_admin(ALICE, True)
        await world.identity.accounts.set_suspended(ALICE, True)
        requester = await world.who(session)
        assert (requester.is_admin, requester.is_suspended) == (True, True)

    in_world(tmp_path, scenario)


def test_ending_one_users_tokens_leaves_the_others(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account(ALICE)
        await world.account(BOB)
        sessions = [await world.session(ALICE), await world.session(ALICE), await world.session(BOB)]
        for session in sessions:
            await world.who(session)
        await world.identity.end_sessions.log_out(await world.who(sessions[0]))
        found = [await refusal(world, session.tokens.access_token) for session in sessions]
        assert found == [UNKNOWN, None, None]

    in_world(tmp_path, scenario)


def test_tokens_beyond_the_memory_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticator, "MAX_CACHED", 2)

    async def scenario(world: World) -> None:
        await world.account()
        sessions = [await world.session() for _ in range(5)]
        for _ in range(2):
            for session in sessions:
                assert (await world.who(session)).device_id == session.device_id
        await world.identity.end_sessions.end_all(ALICE)
        for session in sessions:
            assert await refusal(world, session.tokens.access_token) == UNKNOWN

    in_world(tmp_path, scenario)


def test_what_another_process_ended_is_noticed(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        session = await world.session()
        requester = await world.who(session)
        await world.identity.outside_changes.look()
        await world.store.journal.submit(
            Batch([*end_access_token(requester.token_id), AnnounceOutsideChange()])
        )
        assert await refusal(world, session.tokens.access_token) is None
        await world.identity.outside_changes.look()
        assert await refusal(world, session.tokens.access_token) == UNKNOWN

    in_world(tmp_path, scenario)


def test_nothing_is_forgotten_while_nothing_is_announced(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        calls: list[str] = []
        changes = OutsideChanges(world.store.accounts, [lambda: calls.append("forget")])
        for _ in range(3):
            await changes.look()
        assert calls == []
        await world.store.journal.submit(Batch([AnnounceOutsideChange()]))
        for _ in range(3):
            await changes.look()
        assert calls == ["forget"]

    in_world(tmp_path, scenario)


def test_an_openid_token_tells_whose_it_is_for_an_hour(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.account()
        token = await world.identity.openid_tokens.issue(ALICE)
        assert await world.identity.openid_tokens.user_of(token) == ALICE
        world.clock.advance(3_600)
        with pytest.raises(MatrixError) as caught:
            await world.identity.openid_tokens.user_of(token)
        assert caught.value.errcode == "M_UNKNOWN_TOKEN"

    in_world(tmp_path, scenario)
