"""Every change of membership: pairs that differ in one thing."""

from typing import Any

import pytest

from hamrasan.protocol.room_versions import ROOM_VERSIONS
from tests.protocol.factory import ALICE, BOB, CAROL, DAN, EVE, World, public_world

AUTHORISED = "join_authorised_via_users_server"


@pytest.fixture(params=["1", "6", "7", "9", "11", "12"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rule(version: str, v11: str) -> str:
    """Translate the number of a rule on members of version 11 to that of another version."""
    rules = ROOM_VERSIONS[version].authorization
    steps = v11.split(".")
    if steps[0] == "4" and len(steps) > 1 and steps[1] != "1":
        steps[1] = str(int(steps[1]) - (not rules.restricted_join))
        if len(steps) > 2 and steps[:2] == ["4", "2"] and not rules.restricted_join and int(steps[2]) > 5:
            steps[2] = str(int(steps[2]) - 1)
    steps[0] = str(int(steps[0]) + (rules.special_aliases or rules.room_id_is_create_hash))
    return ".".join(steps)


class TestForm:
    @pytest.mark.parametrize("content", [{}, {"membership": 7}, {"membership": None}])
    def test_needs_a_membership(self, version: str, content: dict[str, Any]) -> None:
        room = public_world(version)
        assert room.refuses(BOB, "m.room.member", content, BOB) == rule(version, "4.1")

    def test_needs_a_state_key(self, version: str) -> None:
        room = public_world(version)
        assert room.refuses(BOB, "m.room.member", {"membership": "join"}) == rule(version, "4.1")
        room.joins(BOB)

    def test_unknown_memberships_are_refused(self, version: str) -> None:
        room = public_world(version)
        refused = room.refuses_member(BOB, BOB, "lurk")
        last = {"1": "5.6", "6": "4.6", "7": "4.7", "12": "5.8"}.get(version, "4.8")
        assert refused == last


class TestJoin:
    def test_the_creator_joins_right_after_creating(self, version: str) -> None:
        room = World(version, only_create=True)
        assert room.refuses_member(BOB, BOB, "join") == rule(version, "4.3.7")
        room.joins(ALICE)

    def test_but_not_later_by_that_rule(self, version: str) -> None:
        room = World(version)
        room.leaves(ALICE)
        assert room.refuses_member(ALICE, ALICE, "join") == rule(version, "4.3.7")

    def test_nor_beside_other_events(self, version: str) -> None:
        room = World(version, only_create=True)
        event = room.make(
            ALICE,
            "m.room.member",
            {"membership": "join"},
            ALICE,
            prev_events=[room.create.event_id, "$other"],
        )
        assert room.refusal_of(event).rule == rule(version, "4.3.7")

    def test_only_the_sender_of_the_create_event_not_an_additional_creator(self) -> None:
        room = World("12", create_content={"additional_creators": [BOB]}, only_create=True)
        assert room.refuses_member(BOB, BOB, "join") == "5.3.7"

    def test_a_public_room_lets_in(self, version: str) -> None:
        room = World(version)
        assert room.refuses_member(BOB, BOB, "join") == rule(version, "4.3.7")
        room.sets_join_rule(ALICE, "public")
        room.joins(BOB)

    def test_nobody_joins_for_somebody_else(self, version: str) -> None:
        room = public_world(version)
        assert room.refuses_member(ALICE, BOB, "join") == rule(version, "4.3.2")

    def test_an_invited_user_joins(self, version: str) -> None:
        room = World(version)
        room.invites(ALICE, BOB)
        room.joins(BOB)
        room.joins(BOB, {"displayname": "Bob"})

    def test_one_who_left_is_invited_no_more(self, version: str) -> None:
        room = World(version)
        room.invites(ALICE, BOB)
        room.leaves(BOB)
        assert room.refuses_member(BOB, BOB, "join") == rule(version, "4.3.7")

    def test_the_banned_stay_out(self, version: str) -> None:
        room = public_world(version, BOB)
        room.bans(ALICE, BOB)
        assert room.refuses_member(BOB, BOB, "join") == rule(version, "4.3.3")

    @pytest.mark.parametrize("join_rule", ["private", "", 7, None])
    def test_unknown_join_rules_let_nobody_in(self, version: str, join_rule: Any) -> None:
        room = World(version)
        room.invites(ALICE, BOB)
        room.sets_join_rule(ALICE, join_rule)
        assert room.refuses_member(BOB, BOB, "join") == rule(version, "4.3.7")

    def test_without_join_rules_the_room_is_invite_only(self, version: str) -> None:
        room = World(version, only_create=True)
        room.joins(ALICE)
        assert room.refuses_member(BOB, BOB, "join") == rule(version, "4.3.7")
        room.invites(ALICE, BOB)
        room.joins(BOB)


@pytest.mark.parametrize(
    ("join_rule", "since"), [("knock", 7), ("restricted", 8), ("knock_restricted", 10), ("invite", 1)]
)
@pytest.mark.parametrize("version", ROOM_VERSIONS)
def test_each_join_rule_lets_the_invited_in_from_the_version_that_knows_it(
    version: str, join_rule: str, since: int
) -> None:
    room = World(version)
    room.invites(ALICE, BOB)
    room.sets_join_rule(ALICE, join_rule)
    if list(ROOM_VERSIONS).index(version) + 1 >= since:
        room.joins(BOB)
    else:
        room.refuses_member(BOB, BOB, "join")


class TestRestrictedJoin:
    @pytest.fixture(params=["8", "9", "10", "11", "12"])
    def room(self, request: pytest.FixtureRequest) -> World:
        """A restricted room with Alice and Dan, who may not invite; inviting needs level 10."""
        room = public_world(str(request.param), DAN)
        users = {} if request.param == "12" else {ALICE: 100}
        room.sets_power_levels(ALICE, users, {"invite": 10})
        room.sets_join_rule(ALICE, "restricted")
        return room

    def test_a_member_who_may_invite_vouches(self, room: World) -> None:
        room.joins(BOB, {AUTHORISED: ALICE})

    @pytest.mark.parametrize("authoriser", [DAN, EVE, BOB, 7, None])
    def test_nobody_else_does(self, room: World, authoriser: Any) -> None:
        refused = room.refuses_member(BOB, BOB, "join", {AUTHORISED: authoriser})
        assert refused == rule(room.version.id, "4.3.5.2")

    def test_one_who_left_vouches_no_more(self, room: World) -> None:
        own = {} if room.version.id == "12" else {ALICE: 100}
        room.sets_power_levels(ALICE, {**own, DAN: 10}, {"invite": 10})
        branch = room.fork()
        branch.joins(BOB, {AUTHORISED: DAN})
        room.leaves(DAN)
        assert room.refuses_member(BOB, BOB, "join", {AUTHORISED: DAN}) == rule(room.version.id, "4.3.5.2")

    def test_without_a_voucher_nobody_joins(self, room: World) -> None:
        assert room.refuses_member(BOB, BOB, "join") == rule(room.version.id, "4.3.5.2")

    def test_the_invited_need_none(self, room: World) -> None:
        room.invites(ALICE, BOB)
        room.joins(BOB)

    def test_members_need_none(self, room: World) -> None:
        room.joins(DAN, {"displayname": "Dan"})

    def test_the_banned_stay_out(self, room: World) -> None:
        room.bans(ALICE, BOB)
        assert room.refuses_member(BOB, BOB, "join", {AUTHORISED: ALICE}) == rule(room.version.id, "4.3.3")

    def test_the_vouching_server_must_have_signed(self, room: World) -> None:
        event = room.make(BOB, "m.room.member", {"membership": "join", AUTHORISED: ALICE}, BOB)
        assert room.refusal_of(event, authorised_signed=False).rule == rule(room.version.id, "4.2.1")
        room.joins(BOB, {AUTHORISED: ALICE})

    def test_the_signature_counts_for_any_membership(self, room: World) -> None:
        event = room.make(DAN, "m.room.member", {"membership": "leave", AUTHORISED: ALICE}, DAN)
        assert room.refusal_of(event, authorised_signed=False).rule == rule(room.version.id, "4.2.1")


@pytest.mark.parametrize("version", ["1", "7"])
def test_before_version_8_the_voucher_means_nothing(version: str) -> None:
    room = public_world(version)
    event = room.make(BOB, "m.room.member", {"membership": "join", AUTHORISED: ALICE}, BOB)
    room.sets_join_rule(ALICE, "restricted")
    room.refuses_member(BOB, BOB, "join", {AUTHORISED: ALICE})
    room.sets_join_rule(ALICE, "public")
    room.add(event)


@pytest.mark.parametrize(("version", "allowed"), [("8", False), ("9", False), ("10", True), ("12", True)])
def test_knock_restricted_lets_members_vouch_from_version_10(version: str, allowed: bool) -> None:
    room = World(version)
    room.sets_join_rule(ALICE, "knock_restricted")
    if allowed:
        room.joins(BOB, {AUTHORISED: ALICE})
    else:
        room.refuses_member(BOB, BOB, "join", {AUTHORISED: ALICE})


class TestInvite:
    def test_a_member_invites(self, version: str) -> None:
        room = public_world(version, BOB)
        room.invites(BOB, CAROL)
        room.invites(BOB, CAROL)

    def test_one_who_is_not_in_the_room_does_not(self, version: str) -> None:
        room = public_world(version)
        assert room.refuses_member(BOB, CAROL, "invite") == rule(version, "4.4.2")

    def test_the_level_to_invite_counts(self, version: str) -> None:
        room = public_world(version, BOB, DAN, levels={BOB: 10})
        own = {} if version == "12" else {ALICE: 100}
        room.sets_power_levels(ALICE, {**own, BOB: 10}, {"invite": 10})
        assert room.refuses_member(DAN, CAROL, "invite") == rule(version, "4.4.5")
        room.invites(BOB, CAROL)

    def test_members_and_the_banned_are_not_invited(self, version: str) -> None:
        room = public_world(version, BOB, CAROL)
        assert room.refuses_member(ALICE, BOB, "invite") == rule(version, "4.4.3")
        room.bans(ALICE, CAROL)
        assert room.refuses_member(ALICE, CAROL, "invite") == rule(version, "4.4.3")
        room.kicks(ALICE, CAROL)
        room.invites(ALICE, CAROL)


class TestLeave:
    def test_members_and_the_invited_leave(self, version: str) -> None:
        room = public_world(version, BOB)
        room.leaves(BOB)
        room.invites(ALICE, BOB)
        room.leaves(BOB)

    def test_strangers_and_those_who_left_do_not(self, version: str) -> None:
        room = public_world(version, BOB)
        assert room.refuses_member(CAROL, CAROL, "leave") == rule(version, "4.5.1")
        room.leaves(BOB)
        assert room.refuses_member(BOB, BOB, "leave") == rule(version, "4.5.1")

    def test_the_banned_do_not_lift_their_ban(self, version: str) -> None:
        room = public_world(version, BOB)
        room.bans(ALICE, BOB)
        assert room.refuses_member(BOB, BOB, "leave") == rule(version, "4.5.1")

    def test_kicking_needs_the_level(self, version: str) -> None:
        room = public_world(version, BOB, CAROL, DAN, levels={BOB: 50, CAROL: 49})
        assert room.refuses_member(CAROL, DAN, "leave") == rule(version, "4.5.5")
        room.kicks(BOB, DAN)

    def test_kicking_needs_more_than_the_target_has(self, version: str) -> None:
        room = public_world(version, BOB, CAROL, DAN, levels={BOB: 60, CAROL: 60, DAN: 59})
        assert room.refuses_member(BOB, CAROL, "leave") == rule(version, "4.5.5")
        assert room.refuses_member(BOB, ALICE, "leave") == rule(version, "4.5.5")
        room.kicks(BOB, DAN)

    def test_kicking_needs_to_be_in_the_room(self, version: str) -> None:
        room = public_world(version, BOB, CAROL, levels={BOB: 50})
        away = room.fork()
        away.leaves(BOB)
        assert away.refuses_member(BOB, CAROL, "leave") == rule(version, "4.5.2")
        room.kicks(BOB, CAROL)

    def test_an_invite_can_be_withdrawn(self, version: str) -> None:
        room = public_world(version, BOB, levels={BOB: 49})
        room.invites(ALICE, CAROL)
        assert room.refuses_member(BOB, CAROL, "leave") == rule(version, "4.5.5")
        room.kicks(ALICE, CAROL)

    def test_unbanning_needs_the_level_to_ban_and_to_kick(self, version: str) -> None:
        room = public_world(version, BOB, CAROL, levels={BOB: 55})
        room.bans(ALICE, CAROL)
        own = {} if version == "12" else {ALICE: 100}
        room.sets_power_levels(ALICE, {**own, BOB: 55}, {"ban": 60, "kick": 50})
        assert room.refuses_member(BOB, CAROL, "leave") == rule(version, "4.5.3")
        room.sets_power_levels(ALICE, {**own, BOB: 55}, {"ban": 50, "kick": 60})
        assert room.refuses_member(BOB, CAROL, "leave") == rule(version, "4.5.5")
        room.sets_power_levels(ALICE, {**own, BOB: 55}, {"ban": 55, "kick": 55})
        room.kicks(BOB, CAROL)


class TestBan:
    def test_banning_needs_the_level(self, version: str) -> None:
        room = public_world(version, BOB, CAROL, DAN, levels={BOB: 50, CAROL: 49})
        assert room.refuses_member(CAROL, DAN, "ban") == rule(version, "4.6.3")
        room.bans(BOB, DAN)

    def test_banning_needs_more_than_the_target_has(self, version: str) -> None:
        room = public_world(version, BOB, CAROL, DAN, levels={BOB: 60, CAROL: 60, DAN: 59})
        assert room.refuses_member(BOB, CAROL, "ban") == rule(version, "4.6.3")
        room.bans(BOB, DAN)

    def test_banning_needs_to_be_in_the_room(self, version: str) -> None:
        room = public_world(version, BOB, levels={BOB: 50})
        away = room.fork()
        away.leaves(BOB)
        assert away.refuses_member(BOB, CAROL, "ban") == rule(version, "4.6.1")
        room.bans(BOB, CAROL)

    def test_a_privileged_creator_is_banned_by_nobody(self) -> None:
        room = World("12", create_content={"additional_creators": [BOB]})
        room.invites(ALICE, BOB)
        room.joins(BOB)
        room.sets_power_levels(ALICE, {CAROL: 2**53 - 1})
        room.invites(ALICE, CAROL)
        room.joins(CAROL)
        assert room.refuses_member(CAROL, BOB, "ban") == "5.6.3"
        assert room.refuses_member(ALICE, BOB, "ban") == "5.6.3"
        room.bans(BOB, CAROL)


class TestKnock:
    @pytest.mark.parametrize(
        ("version", "join_rule"), [("7", "knock"), ("10", "knock_restricted"), ("12", "knock")]
    )
    def test_where_the_rule_allows_it_strangers_knock(self, version: str, join_rule: str) -> None:
        room = World(version)
        number = rule(version, "4.7.1")
        assert room.refuses_member(BOB, BOB, "knock") == number
        room.sets_join_rule(ALICE, join_rule)
        room.knocks(BOB)
        room.knocks(BOB)
        room.leaves(BOB)

    def test_before_version_7_nobody_knows_it(self) -> None:
        room = World("6")
        room.sets_join_rule(ALICE, "knock")
        assert room.refuses_member(BOB, BOB, "knock") == "4.6"

    def test_before_version_7_a_knock_that_got_in_is_no_membership_to_leave(self) -> None:
        room = World("6")
        room.add(room.make(BOB, "m.room.member", {"membership": "knock"}, BOB))
        assert room.refuses_member(BOB, BOB, "leave") == "4.4.1"

    def test_before_version_10_the_mixed_rule_is_unknown(self) -> None:
        room = World("9")
        room.sets_join_rule(ALICE, "knock_restricted")
        assert room.refuses_member(BOB, BOB, "knock") == "4.7.1"

    @pytest.fixture
    def room(self) -> World:
        room = World("11")
        room.sets_join_rule(ALICE, "knock")
        return room

    def test_nobody_knocks_for_somebody_else(self, room: World) -> None:
        assert room.refuses_member(ALICE, BOB, "knock") == "4.7.2"

    def test_members_the_invited_and_the_banned_do_not_knock(self, room: World) -> None:
        assert room.refuses_member(ALICE, ALICE, "knock") == "4.7.4"
        room.invites(ALICE, BOB)
        assert room.refuses_member(BOB, BOB, "knock") == "4.7.4"
        room.bans(ALICE, BOB)
        assert room.refuses_member(BOB, BOB, "knock") == "4.7.4"
        room.kicks(ALICE, BOB)
        room.knocks(BOB)

    def test_who_knocked_is_let_in_by_an_invite_only(self, room: World) -> None:
        room.knocks(BOB)
        assert room.refuses_member(BOB, BOB, "join") == "4.3.7"
        room.invites(ALICE, BOB)
        room.joins(BOB)
