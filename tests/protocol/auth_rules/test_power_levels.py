"""Power levels as parsed: defaults, creators, and the loose forms of the older versions."""

from collections.abc import Callable
from typing import Any

import pytest

from hamrasan.protocol.auth_rules import CREATOR_LEVEL, NotAllowed, PowerLevels, creators_of
from hamrasan.protocol.auth_rules.power_levels import parse_level
from hamrasan.protocol.room_versions import ROOM_VERSIONS
from tests.protocol.factory import ALICE, BOB, CAROL, World


def levels(content: dict[str, Any] | None, version: str = "11") -> PowerLevels:
    world = World(version, only_create=True)
    return PowerLevels(world.create, content, world.version)


def test_without_an_event_the_creator_has_100_and_others_nothing() -> None:
    parsed = levels(None)
    assert (parsed.of(ALICE), parsed.of(BOB)) == (100, 0)


@pytest.mark.parametrize("content", [None, {}])
def test_defaults(content: dict[str, Any] | None) -> None:
    parsed = levels(content)
    assert (parsed.invite, parsed.kick, parsed.ban, parsed.redact) == (0, 50, 50, 50)
    assert (parsed.users_default, parsed.events_default, parsed.state_default) == (0, 0, 50)
    assert parsed.to_send("m.room.message", is_state=False) == 0
    assert parsed.to_send("m.room.topic", is_state=True) == 50
    assert parsed.notification("room") == 50


def test_an_empty_event_gives_the_creator_nothing() -> None:
    assert levels({}).of(ALICE) == 0


def test_listed_levels_win_over_defaults() -> None:
    parsed = levels(
        {
            "users": {BOB: 7},
            "users_default": 3,
            "events": {"m.room.topic": 4},
            "state_default": 60,
            "events_default": 5,
            "notifications": {"room": 8},
            "invite": 9,
        }
    )
    assert (parsed.of(BOB), parsed.of(CAROL)) == (7, 3)
    assert [parsed.to_send(kind, is_state=True) for kind in ("m.room.topic", "m.room.name")] == [4, 60]
    assert parsed.to_send("m.room.message", is_state=False) == 5
    assert (parsed.notification("room"), parsed.invite) == (8, 9)


@pytest.mark.parametrize("content", [None, {}, {"users": {ALICE: 1}}])
def test_privileged_creators_stand_above_every_level(content: dict[str, Any] | None) -> None:
    parsed = levels(content, "12")
    assert parsed.of(ALICE) == CREATOR_LEVEL > 2**53
    assert parsed.of(BOB) == 0


def test_additional_creators_count_from_version_12() -> None:
    additional = {"additional_creators": [BOB]}
    for version, expected in (("11", (ALICE,)), ("12", (ALICE, BOB))):
        world = World(version, create_content=additional, only_create=True)
        assert creators_of(world.create, world.version) == expected


def test_the_creator_is_the_named_one_until_version_10_and_the_sender_since() -> None:
    for version, expected in (("10", (BOB,)), ("11", (ALICE,))):
        world = World(version, create_content={"creator": BOB}, only_create=True)
        assert creators_of(world.create, world.version) == expected


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (50, 50), ("50", 50), ("000100", 100), ("+100", 100), ("-100", -100), (" 00100 ", 100), (" -100 ", -100),
        ("9007199254740991", 2**53 - 1), ("000000000000000000000000000007", 7), ("0", 0), ("-0", 0),
        ("9007199254740992", None), ("99999999999999999", None), ("1_0", None), ("1.0", None), ("0x10", None),
        ("", None), ("ten", None), ("+", None), ("- 1", None), ("١٢", None), (True, None), (None, None), ([], None),
        ({}, None), ("9" * 6000, None),
    ],
)  # fmt: skip
def test_texts_are_levels_until_version_9(value: Any, level: int | None) -> None:
    assert parse_level(value, ROOM_VERSIONS["9"]) == level


@pytest.mark.parametrize(
    ("version", "value", "level"),
    [
        ("5", 50.57, 50), ("5", -0.5, 0), ("5", 51146.98, 51146), ("5", float("inf"), None), ("5", float("nan"), None),
        ("6", 50.57, None), ("10", 50.57, None), ("10", "50", None), ("12", "50", None), ("12", True, None),
        ("12", 50, 50),
    ],
)  # fmt: skip
def test_floats_are_levels_until_version_5_and_texts_until_9(
    version: str, value: Any, level: int | None
) -> None:
    assert parse_level(value, ROOM_VERSIONS[version]) == level


def test_an_unreadable_level_refuses_what_depends_on_it_and_nothing_else() -> None:
    parsed = levels(
        {"ban": "much", "users": {BOB: 1}, "events": {"a": [], "b": 2}, "notifications": {"room": {}}}, "9"
    )
    assert (parsed.kick, parsed.of(BOB), parsed.to_send("b", is_state=True)) == (50, 1, 2)
    asks: list[Callable[[], int]] = [
        lambda: parsed.ban,
        lambda: parsed.to_send("a", is_state=True),
        lambda: parsed.notification("room"),
    ]
    for ask in asks:
        with pytest.raises(NotAllowed) as refusal:
            ask()
        assert refusal.value.rule == "7"


def test_an_unreadable_default_refuses_unlisted_users_only() -> None:
    parsed = levels({"users_default": None, "users": {BOB: 1}}, "9")
    assert parsed.of(BOB) == 1
    with pytest.raises(NotAllowed, match="not a number"):
        parsed.of(CAROL)


@pytest.mark.parametrize("broken", [7, "text", [], None])
def test_maps_that_are_no_objects_are_empty(broken: Any) -> None:
    parsed = levels({"users": broken, "events": broken, "notifications": broken}, "9")
    assert (parsed.of(BOB), parsed.to_send("x", is_state=True), parsed.notification("room")) == (0, 50, 50)
