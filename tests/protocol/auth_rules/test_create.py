"""Rule 1: how a room begins."""

from typing import Any

import pytest

from hamrasan.protocol.auth_rules import check_auth
from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.protocol.room_versions import ROOM_VERSIONS
from tests.protocol.factory import ALICE, BOB, CAROL, World


def create_event(
    version: str, content: dict[str, Any], sender: str = ALICE, **members: Any
) -> tuple[World, Event]:
    world = World(version, only_create=True)
    pdu = {**world.create.pdu, "content": content, "sender": sender, **members}
    return world, event_from_pdu(pdu, world.create.event_id, world.create.room_id)


@pytest.mark.parametrize("version", ROOM_VERSIONS)
def test_the_event_of_a_new_room_is_allowed(version: str) -> None:
    world = World(version, only_create=True)
    check_auth(world.create, World(version).auth_state, world.version)


@pytest.mark.parametrize("version", ROOM_VERSIONS)
def test_it_follows_no_event(version: str) -> None:
    world, event = create_event(version, {"creator": ALICE}, prev_events=["$before"])
    assert world.refusal_of(event).rule == "1.1"


@pytest.mark.parametrize("version", ["1", "11"])
def test_the_room_id_is_of_the_senders_server(version: str) -> None:
    world, event = create_event(version, {"creator": CAROL}, sender=CAROL)
    assert world.refusal_of(event).rule == "1.2"


def test_from_version_12_it_has_no_room_id() -> None:
    world, event = create_event("12", {}, room_id="!x:example.org")
    assert world.refusal_of(event).rule == "1.2"


@pytest.mark.parametrize("room_version", ["no-such-version", "", None, 11, ["11"]])
def test_an_unknown_room_version_is_refused(room_version: Any) -> None:
    world, event = create_event("11", {"room_version": room_version})
    assert world.refusal_of(event).rule == "1.3"


@pytest.mark.parametrize("content", [{}, {"room_version": "11"}])
def test_the_room_version_may_be_absent(content: dict[str, Any]) -> None:
    world, event = create_event("11", content)
    check_auth(event, world.auth_state, world.version)


@pytest.mark.parametrize(("version", "needed"), [("1", True), ("10", True), ("11", False), ("12", False)])
def test_the_creator_is_named_until_version_10(version: str, needed: bool) -> None:
    world, event = create_event(version, {})
    if needed:
        assert world.refusal_of(event).rule == "1.4"
    else:
        check_auth(event, world.auth_state, world.version)


@pytest.mark.parametrize("creators", [BOB, {}, None, [1], ["bob"], [BOB, "@nobody"], ["#bob:example.org"]])
def test_additional_creators_are_user_ids_from_version_12(creators: Any) -> None:
    world, event = create_event("12", {"additional_creators": creators})
    assert world.refusal_of(event).rule == "1.4"
    world, event = create_event("11", {"additional_creators": creators})
    check_auth(event, world.auth_state, world.version)


@pytest.mark.parametrize("creators", [[], [BOB], [BOB, CAROL]])
def test_any_number_of_additional_creators_is_allowed(creators: list[str]) -> None:
    world, event = create_event("12", {"additional_creators": creators})
    check_auth(event, world.auth_state, world.version)
