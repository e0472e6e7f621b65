"""Which state events an event cites, and which decide about it."""

import pytest

from hamrasan.protocol.auth_rules import auth_types, deciding_types
from hamrasan.protocol.room_versions import ROOM_VERSIONS
from tests.protocol.factory import ALICE, BOB, CAROL

CREATE = ("m.room.create", "")
LEVELS = ("m.room.power_levels", "")
JOIN_RULES = ("m.room.join_rules", "")


def member(user: str) -> tuple[str, str]:
    return ("m.room.member", user)


V11, V12 = ROOM_VERSIONS["11"], ROOM_VERSIONS["12"]


def test_the_create_event_cites_nothing_and_is_decided_by_itself() -> None:
    assert auth_types("m.room.create", ALICE, "", {}, V11) == ()
    assert deciding_types("m.room.create", ALICE, "", {}, V11) == ()


def test_a_message_cites_create_levels_and_own_membership() -> None:
    assert auth_types("m.room.message", ALICE, None, {}, V11) == (CREATE, LEVELS, member(ALICE))


def test_where_the_room_id_is_the_create_event_it_decides_but_is_not_cited() -> None:
    assert auth_types("m.room.message", ALICE, None, {}, V12) == (LEVELS, member(ALICE))
    assert set(deciding_types("m.room.message", ALICE, None, {}, V12)) == {CREATE, LEVELS, member(ALICE)}
    assert deciding_types("m.room.message", ALICE, None, {}, V11) == (CREATE, LEVELS, member(ALICE))


@pytest.mark.parametrize(
    ("membership", "needs_join_rules"),
    [("join", True), ("invite", True), ("knock", True), ("leave", False), ("ban", False)],
)
def test_join_rules_matter_to_those_who_come_in(membership: str, needs_join_rules: bool) -> None:
    types = auth_types("m.room.member", ALICE, BOB, {"membership": membership}, V11)
    assert set(types) == {CREATE, LEVELS, member(ALICE), member(BOB)} | (
        {JOIN_RULES} if needs_join_rules else set()
    )


def test_a_user_who_is_sender_and_target_is_cited_once() -> None:
    types = auth_types("m.room.member", BOB, BOB, {"membership": "join"}, V11)
    assert len(types) == len(set(types))


def test_an_invite_by_token_needs_the_third_party_invite() -> None:
    content = {"membership": "invite", "third_party_invite": {"signed": {"token": "t"}}}
    assert ("m.room.third_party_invite", "t") in auth_types("m.room.member", ALICE, BOB, content, V11)
    content["membership"] = "join"
    assert ("m.room.third_party_invite", "t") not in auth_types("m.room.member", ALICE, BOB, content, V11)


@pytest.mark.parametrize("broken", [7, [], {}, {"signed": 7}, {"signed": {}}, {"signed": {"token": []}}])
def test_a_malformed_third_party_invite_needs_nothing_more(broken: object) -> None:
    types = auth_types(
        "m.room.member", ALICE, BOB, {"membership": "invite", "third_party_invite": broken}, V11
    )
    assert set(types) == {CREATE, LEVELS, member(ALICE), member(BOB), JOIN_RULES}


@pytest.mark.parametrize(("version", "needed"), [("7", False), ("8", True), ("12", True)])
def test_a_restricted_join_needs_who_authorised_it(version: str, needed: bool) -> None:
    content = {"membership": "join", "join_authorised_via_users_server": CAROL}
    types = auth_types("m.room.member", BOB, BOB, content, ROOM_VERSIONS[version])
    assert (member(CAROL) in types) is needed


def test_the_authorising_user_matters_to_a_join_only() -> None:
    content = {"membership": "leave", "join_authorised_via_users_server": CAROL}
    assert member(CAROL) not in auth_types("m.room.member", BOB, BOB, content, V11)


def test_a_membership_event_without_state_key_has_no_target() -> None:
    assert set(auth_types("m.room.member", ALICE, None, {"membership": "leave"}, V11)) == {
        CREATE,
        LEVELS,
        member(ALICE),
    }
