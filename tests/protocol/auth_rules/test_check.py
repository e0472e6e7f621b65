"""What every event has to pass, and the choice of the auth events."""

from collections.abc import Collection

import pytest

from hamrasan.protocol.auth_rules import (
    MapAuthState,
    MissingEventError,
    NotAllowed,
    check_auth,
    check_auth_events,
)
from hamrasan.protocol.event import Event, event_from_pdu
from hamrasan.protocol.room_versions import ROOM_VERSIONS
from tests.protocol.factory import ALICE, BOB, CAROL, DAN, World, public_world


@pytest.fixture(params=["1", "6", "11", "12"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def number(version: str, v11: int) -> str:
    rules = ROOM_VERSIONS[version].authorization
    return str(v11 + (rules.special_aliases or rules.room_id_is_create_hash))


def test_a_refusal_is_a_forbidden_for_the_client() -> None:
    room = public_world("11")
    refusal = room.refusal_of(room.make(BOB, "m.room.message", {}))
    assert (refusal.status, refusal.errcode, refusal.rule) == (403, "M_FORBIDDEN", "5")
    assert refusal.body() == {"errcode": "M_FORBIDDEN", "error": f"{BOB} is not in the room."}
    assert str(refusal) == f"rule 5: {BOB} is not in the room."


class TestRoom:
    @pytest.mark.parametrize(("version", "rule"), [("1", "2.4"), ("11", "2.4"), ("12", "2")])
    def test_nothing_is_allowed_in_a_room_that_was_not_created(self, version: str, rule: str) -> None:
        room = public_world(version, BOB)
        event = room.make(BOB, "m.room.message", {})
        with pytest.raises(NotAllowed) as refusal:
            check_auth(event, MapAuthState(room.version, {}), room.version)
        assert refusal.value.rule == rule

    @pytest.mark.parametrize("kind", ["m.room.message", "m.room.member"])
    def test_from_version_12_the_room_id_names_the_create_event(self, kind: str) -> None:
        room = public_world("12", BOB)
        event = room.make(BOB, kind, {"membership": "join"}, BOB if kind == "m.room.member" else None)
        other = event_from_pdu(event.pdu, event.event_id, World("12", BOB).room_id)
        assert room.refusal_of(other).rule == "2"
        room.add(event)

    @pytest.mark.parametrize("kind", ["m.room.message", "m.room.member", "m.room.third_party_invite"])
    def test_a_closed_room_takes_no_events_of_other_servers(self, version: str, kind: str) -> None:
        open_room = World(version, create_content={"m.federate": True})
        closed_room = World(version, create_content={"m.federate": False})
        for room in (open_room, closed_room):
            room.sets_join_rule(ALICE, "public")
            room.joins(BOB)
        open_room.joins(CAROL)
        if kind == "m.room.member":
            assert closed_room.refuses_member(CAROL, CAROL, "join") == number_of_federation(version)
        else:
            assert closed_room.refuses(CAROL, kind, {}, "t") == number_of_federation(version)
            open_room.sets_power_levels(ALICE, {CAROL: 50} if version == "12" else {ALICE: 100, CAROL: 50})
            open_room.send(CAROL, kind, {}, "t")

    @pytest.mark.parametrize("federate", [True, None, 0, ""])
    def test_only_false_closes_a_room(self, version: str, federate: object) -> None:
        room = World(version, create_content={"m.federate": federate})
        room.sets_join_rule(ALICE, "public")
        room.joins(CAROL)


class TestOrdinaryEvents:
    def test_only_members_send(self, version: str) -> None:
        room = public_world(version, BOB)
        room.invites(ALICE, DAN)
        room.says(BOB, "hello")
        for outsider in (CAROL, DAN):
            assert room.refuses(outsider, "m.room.message", {}) == number(version, 5)
        room.leaves(BOB)
        assert room.refuses(BOB, "m.room.message", {}) == number(version, 5)

    def test_the_level_of_the_type_counts(self, version: str) -> None:
        room = public_world(version, BOB, CAROL)
        own = {} if version == "12" else {ALICE: 100}
        room.sets_power_levels(
            ALICE,
            {**own, BOB: 20},
            {"events": {"m.room.topic": 20, "m.room.message": 20}, "events_default": 10},
        )
        for kind, state_key in (("m.room.topic", ""), ("m.room.message", None)):
            assert room.refuses(CAROL, kind, {}, state_key) == number(version, 7)
            room.send(BOB, kind, {}, state_key)
        assert room.refuses(BOB, "m.room.name", {}, "") == number(version, 7)
        assert room.refuses(CAROL, "m.reaction", {}) == number(version, 7)
        room.send(BOB, "m.reaction", {})

    def test_a_state_event_of_a_message_type_needs_the_level_for_state(self, version: str) -> None:
        room = public_world(version, BOB)
        assert room.refuses(BOB, "m.room.message", {}, "") == number(version, 7)
        room.send(BOB, "m.room.message", {})

    def test_state_that_belongs_to_a_user_is_that_users(self, version: str) -> None:
        room = public_world(version, BOB)
        own = {} if version == "12" else {ALICE: 100}
        room.sets_power_levels(ALICE, own, {"state_default": 0})
        for foreign in (ALICE, "@", f"{BOB}x"):
            assert room.refuses(BOB, "org.example.state", {}, foreign) == number(version, 8)
        room.send(BOB, "org.example.state", {}, BOB)
        room.send(BOB, "org.example.state", {}, f"_{ALICE}")


class TestAliases:
    def test_until_version_5_a_server_sets_its_own(self) -> None:
        room = World("5")
        assert room.refuses(ALICE, "m.room.aliases", {}, "remote.example") == "4.2"
        assert room.refuses(ALICE, "m.room.aliases", {}) == "4.1"
        room.send(CAROL, "m.room.aliases", {}, "remote.example")

    def test_since_version_6_they_are_ordinary_state(self) -> None:
        room = public_world("6", BOB)
        assert room.refuses(CAROL, "m.room.aliases", {}, "remote.example") == "5"
        assert room.refuses(BOB, "m.room.aliases", {}, "example.org") == "7"
        room.send(ALICE, "m.room.aliases", {}, "remote.example")


class TestRedactions:
    @pytest.mark.parametrize("version", ["1", "2"])
    def test_at_first_judged_by_level_or_server(self, version: str) -> None:
        room = public_world(version, BOB, CAROL, DAN)
        own, others = room.says(DAN, "mine"), room.says(ALICE, "hers")
        assert room.refuses(CAROL, "m.room.redaction", {}, redacts=others.event_id) == "11.3"
        assert room.refuses(CAROL, "m.room.redaction", {}) == "11.3"
        room.send(CAROL, "m.room.redaction", {}, redacts=own.event_id)
        room.send(ALICE, "m.room.redaction", {}, redacts=own.event_id)

    @pytest.mark.parametrize("version", ["3", "11", "12"])
    def test_since_version_3_when_they_are_applied(self, version: str) -> None:
        room = public_world(version, CAROL)
        room.send(CAROL, "m.room.redaction", {"redacts": "$x"}, redacts="$x")


class TestAuthEvents:
    def judge(self, room: World, event: Event, rejected: Collection[str] = ()) -> str:
        """Return the rule that refuses the choice of auth events, "" if none does."""
        try:
            check_auth_events(event, room.events, rejected, room.version)
        except NotAllowed as refusal:
            return refusal.rule
        return ""

    @pytest.mark.parametrize("version", ROOM_VERSIONS)
    def test_those_that_selection_chooses_are_right(self, version: str) -> None:
        room = public_world(version, BOB, CAROL, levels={BOB: 50})
        for event in room.events.values():
            assert self.judge(room, event) == ""
        assert self.judge(room, room.make(BOB, "m.room.member", {"membership": "ban"}, CAROL)) == ""

    def test_one_key_is_cited_once(self, version: str) -> None:
        room = public_world(version, BOB)
        old = room.state["m.room.power_levels", ""]
        room.sets_power_levels(ALICE, {BOB: 1} if version == "12" else {ALICE: 100, BOB: 1})
        right = room.make(BOB, "m.room.message", {})
        for doubled in (old, right.auth_events[0]):
            event = room.make(BOB, "m.room.message", {}, auth_events=[*right.auth_events, doubled])
            assert self.judge(room, event) == number_of_auth_events(version) + ".1"

    def test_nothing_that_is_not_needed_is_cited(self, version: str) -> None:
        room = public_world(version, BOB, CAROL)
        right = room.make(BOB, "m.room.message", {})
        unneeded = [
            room.state["m.room.member", CAROL],
            room.state["m.room.join_rules", ""],
            room.says(BOB, "x").event_id,
        ]
        for extra in unneeded:
            event = room.make(BOB, "m.room.message", {}, auth_events=[*right.auth_events, extra])
            assert self.judge(room, event) == number_of_auth_events(version) + ".2"

    def test_from_version_12_the_create_event_is_not_cited(self) -> None:
        room = public_world("12", BOB)
        right = room.make(BOB, "m.room.message", {})
        event = room.make(BOB, "m.room.message", {}, auth_events=[room.create.event_id, *right.auth_events])
        assert self.judge(room, event) == "3.2"

    def test_before_that_it_must_be(self) -> None:
        room = public_world("11", BOB)
        right = room.make(BOB, "m.room.message", {})
        cited = [event_id for event_id in right.auth_events if event_id != room.create.event_id]
        assert self.judge(room, room.make(BOB, "m.room.message", {}, auth_events=cited)) == "2.4"

    def test_rejected_events_allow_nothing(self, version: str) -> None:
        room = public_world(version, BOB)
        event = room.make(BOB, "m.room.message", {})
        assert self.judge(room, event, {event.auth_events[-1]}) == number_of_auth_events(version) + ".3"
        assert self.judge(room, event, {"$something-else"}) == ""

    def test_events_of_other_rooms_allow_nothing(self, version: str) -> None:
        room = public_world(version, BOB)
        event = room.make(BOB, "m.room.message", {})
        membership = room.events[room.state["m.room.member", BOB]]
        room.events[membership.event_id] = event_from_pdu(
            membership.pdu, membership.event_id, "!other:example.org"
        )
        assert self.judge(room, event) == number_of_auth_events(version) + ".5"

    def test_a_missing_event_is_no_refusal(self, version: str) -> None:
        room = public_world(version, BOB)
        event = room.make(BOB, "m.room.message", {}, auth_events=["$missing"])
        with pytest.raises(MissingEventError) as missing:
            check_auth_events(event, room.events, set(), room.version)
        assert missing.value.event_id == "$missing"


def number_of_federation(version: str) -> str:
    return "4" if version == "12" else "3"


def number_of_auth_events(version: str) -> str:
    return "3" if version == "12" else "2"
