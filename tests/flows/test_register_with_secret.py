"""Registering with the shared secret."""

from __future__ import annotations

import hmac
from dataclasses import replace
from pathlib import Path

import pytest

from hamrasan.flows.open_session import WantedDevice
from hamrasan.flows.register_with_secret import NONCE_LIFETIME_S, SignedRequest
from hamrasan.protocol.errors import MatrixError
from tests.identities import ADDRESS, ALICE, DEFAULTS, World, in_world

SECRET = "the secret of the tests"
ENABLED = replace(DEFAULTS, registration="closed", registration_shared_secret=SECRET)


def signed(nonce: str, *parts: str, secret: str = SECRET) -> str:
    """Sign as the documentation of Synapse's admin API describes it."""
    mac = hmac.new(key=secret.encode("utf8"), digestmod="sha1")
    mac.update("\0".join([nonce, *parts]).encode("utf8"))
    return mac.hexdigest()


async def errcode_of(world: World, wanted: SignedRequest) -> str:
    with pytest.raises(MatrixError) as caught:
        await world.identity.register_with_secret.register(wanted, ADDRESS)
    return caught.value.errcode


@pytest.mark.parametrize("is_admin", [False, True])
def test_whoever_has_the_secret_makes_accounts(tmp_path: Path, is_admin: bool) -> None:
    async def scenario(world: World) -> None:
        nonce = world.identity.register_with_secret.new_nonce()
        mac = signed(nonce, "alice", "pw", "admin" if is_admin else "notadmin")
        wanted = SignedRequest(nonce, "alice", "pw", mac, is_admin)
        made = await world.identity.register_with_secret.register(wanted, ADDRESS)
        assert made.session is not None
        requester = await world.who(made.session)
        assert (requester.user_id, requester.is_admin) == (ALICE, is_admin)
        await world.identity.login.with_password("alice", "pw", WantedDevice(), ADDRESS)

    in_world(tmp_path, scenario, settings=ENABLED)


def test_the_kind_of_user_is_signed_too(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        nonce = world.identity.register_with_secret.new_nonce()
        mac = signed(nonce, "alice", "pw", "notadmin", "bot")
        wanted = SignedRequest(nonce, "alice", "pw", mac, user_type="bot", inhibit_login=True)
        made = await world.identity.register_with_secret.register(wanted, ADDRESS)
        assert made.answer() == {"user_id": ALICE}

    in_world(tmp_path, scenario, settings=ENABLED)


@pytest.mark.parametrize(
    "change",
    [{"is_admin": True}, {"username": "bob"}, {"password": "other"}, {"mac": "0" * 40}, {"mac": "ü"}],
)
def test_what_was_not_signed_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    async def scenario(world: World) -> None:
        nonce = world.identity.register_with_secret.new_nonce()
        mac = signed(nonce, "alice", "pw", "notadmin")
        wanted = replace(SignedRequest(nonce, "alice", "pw", mac), **change)  # type: ignore[arg-type]  # by name
        assert await errcode_of(world, wanted) == "M_FORBIDDEN"
        assert await world.identity.accounts.page("", 1) == []

    in_world(tmp_path, scenario, settings=ENABLED)


def test_another_secret_is_no_secret(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        nonce = world.identity.register_with_secret.new_nonce()
        mac = signed(nonce, "alice", "pw", "notadmin", secret="another secret of somebody")
        assert await errcode_of(world, SignedRequest(nonce, "alice", "pw", mac)) == "M_FORBIDDEN"

    in_world(tmp_path, scenario, settings=ENABLED)


def test_a_nonce_is_good_once_and_for_a_minute(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        register = world.identity.register_with_secret
        nonce, late = register.new_nonce(), register.new_nonce()
        mac = signed(nonce, "alice", "pw", "notadmin")
        await register.register(SignedRequest(nonce, "alice", "pw", mac), ADDRESS)
        again = signed(nonce, "bob", "pw", "notadmin")
        assert await errcode_of(world, SignedRequest(nonce, "bob", "pw", again)) == "M_UNKNOWN"
        world.clock.advance(NONCE_LIFETIME_S)
        mac = signed(late, "bob", "pw", "notadmin")
        assert await errcode_of(world, SignedRequest(late, "bob", "pw", mac)) == "M_UNKNOWN"
        mac = signed("made up", "bob", "pw", "notadmin")
        assert await errcode_of(world, SignedRequest("made up", "bob", "pw", mac)) == "M_UNKNOWN"

    in_world(tmp_path, scenario, settings=ENABLED)


@pytest.mark.parametrize(
    ("username", "password", "errcode"),
    [
        ("alice", "", "M_INVALID_PARAM"),
        ("alice", "x" * 513, "M_INVALID_PARAM"),
        ("al\0ice", "pw", "M_INVALID_PARAM"),
        ("not a name", "pw", "M_INVALID_USERNAME"),
    ],
)
def test_bad_values_are_refused(tmp_path: Path, username: str, password: str, errcode: str) -> None:
    async def scenario(world: World) -> None:
        nonce = world.identity.register_with_secret.new_nonce()
        mac = signed(nonce, username, password, "notadmin")
        assert await errcode_of(world, SignedRequest(nonce, username, password, mac)) == errcode

    in_world(tmp_path, scenario, settings=ENABLED)


def test_without_a_secret_it_is_off(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(MatrixError) as caught:
            world.identity.register_with_secret.new_nonce()
        assert (caught.value.status, caught.value.errcode) == (400, "M_UNKNOWN")
        mac = signed("", "alice", "pw", "notadmin", secret="")
        assert await errcode_of(world, SignedRequest("", "alice", "pw", mac)) == "M_UNKNOWN"

    in_world(tmp_path, scenario)
