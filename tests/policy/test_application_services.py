"""Namespaces: whose an identifier is, at a cost that nobody can drive up."""

from __future__ import annotations

import pytest

from hamrasan.policy.application_services import (
    ApplicationService,
    ApplicationServices,
    Namespace,
    Pattern,
)
from hamrasan.protocol.errors import MatrixError

NAME = "example.org"


def service(id: str, users: str, *, exclusive: bool = True, aliases: str = "#none") -> ApplicationService:
    return ApplicationService(
        id=id,
        url=None,
        as_token=f"{id}-token",
        hs_token="x",
        sender=f"@{id}:{NAME}",
        server_name=NAME,
        users=[Namespace(Pattern(users), exclusive)],
        aliases=[Namespace(Pattern(aliases), exclusive)],
        rooms=[Namespace(Pattern("!special"), False)],
    )


IRC = service("irc", "@_irc_.*", aliases="#_irc_.*")
LOGGER = service("logger", ".*", exclusive=False, aliases=".*")
BOTH = ApplicationServices([IRC, LOGGER])


@pytest.mark.parametrize(
    ("user_id", "has", "owns"),
    [
        ("@_irc_anna:example.org", True, True),
        ("@irc:example.org", True, True),
        ("@anna:example.org", False, False),
        ("@x_irc_anna:example.org", False, False),
        ("@_irc_anna:elsewhere.org", False, False),
        ("@_irc_\udc00:example.org", False, False),
    ],
)
def test_whose_a_user_is(user_id: str, has: bool, owns: bool) -> None:
    assert (IRC.has_user(user_id), IRC.owns_user(user_id)) == (has, owns)
    assert BOTH.reserve_user(user_id) is owns


def test_a_namespace_that_is_not_exclusive_reserves_nothing() -> None:
    assert LOGGER.has_user("@anna:example.org")
    assert not LOGGER.owns_user("@anna:example.org")
    assert LOGGER.owns_user("@logger:example.org"), "but the service itself is nobody else"


def test_rooms_of_any_server_are_of_interest() -> None:
    assert IRC.has_room("!special:elsewhere.org")
    assert not IRC.has_room("!other:example.org")


def test_who_may_make_a_user() -> None:
    BOTH.check_user("@_irc_anna:example.org", IRC)
    BOTH.check_user("@anna:example.org", LOGGER)
    for user_id, by in (("@anna:example.org", IRC), ("@_irc_anna:example.org", LOGGER)):
        with pytest.raises(MatrixError) as caught:
            BOTH.check_user(user_id, by)
        assert (caught.value.status, caught.value.errcode) == (400, "M_EXCLUSIVE")


def test_who_may_make_an_alias() -> None:
    BOTH.check_alias("#_irc_x:example.org", "irc")
    BOTH.check_alias("#x:example.org", None)
    BOTH.check_alias("#x:example.org", "logger")
    for alias, by in (
        ("#_irc_x:example.org", None),
        ("#x:example.org", "irc"),
        ("#_irc_x:example.org", "logger"),
    ):
        with pytest.raises(MatrixError) as caught:
            BOTH.check_alias(alias, by)
        assert caught.value.errcode == "M_EXCLUSIVE"
    assert BOTH.manages_alias("#_irc_x:example.org", "irc")
    assert not BOTH.manages_alias("#_irc_x:example.org", None)


def test_a_token_proves_its_service_until_another_registration_comes() -> None:
    services = ApplicationServices([IRC])
    assert services.of_token("irc-token") is IRC
    assert services.of_token("irc-token2") is None
    assert services.of_token("\udc00") is None
    services.replace([LOGGER])
    assert services.of_token("irc-token") is None
    assert services.of_token("logger-token") is LOGGER
    assert services.find("irc") is None


@pytest.mark.parametrize("hostile", ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){20}$", "([a-z]+)*$"])
def test_patterns_that_others_choke_on_are_answered_at_once(hostile: str) -> None:
    """With an engine that backtracks, one of these takes longer than the age of the universe."""
    assert Pattern(hostile).matches("a" * 255)
    assert not Pattern(hostile).matches("a" * 254 + "!")


@pytest.mark.parametrize("text", ["(", "(?!a)", "(?<=a)b", r"(a)\1", "a{2000}", "(a{1000}){1000}"])
def test_what_the_engine_does_not_take_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Pattern(text)
