"""Changes of the power levels: nobody grants or takes what is above the own level."""

from typing import Any

import pytest

from hamrasan.protocol.room_versions import ROOM_VERSIONS
from tests.protocol.factory import ALICE, BOB, CAROL, DAN, World, public_world

MODERATE = {"events": {"m.room.power_levels": 50}}
"""So that a moderator (50) may send power levels at all."""


@pytest.fixture(params=["5", "9", "11", "12"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def number(version: str, v11: int) -> str:
    """Translate the number of a rule on power levels of version 11 to that of another version."""
    rules = ROOM_VERSIONS[version].authorization
    section = 9 + (rules.special_aliases or rules.room_id_is_create_hash)
    step = v11 - (0 if rules.integer_power_levels else 2) + (rules.privileged_creators and v11 > 3)
    return f"{section}.{step}"


class Moderated:
    """A room in which Bob (50) changes the levels; what is not mentioned stays."""

    def __init__(
        self, version: str, users: dict[str, Any] | None = None, levels: dict[str, Any] | None = None
    ) -> None:
        own = {} if version == "12" else {ALICE: 100}
        self.users = {**own, BOB: 50, **(users or {})}
        self.levels = {**MODERATE, **(levels or {})}
        self.room = public_world(version, BOB)
        self.room.sets_power_levels(ALICE, self.users, self.levels)

    def content(self, users: dict[str, Any] | None, levels: dict[str, Any] | None) -> dict[str, Any]:
        content = {"users": {**self.users, **(users or {})}, **self.levels, **(levels or {})}
        content["users"] = {user: level for user, level in content["users"].items() if level is not None}
        return {name: value for name, value in content.items() if value is not None}

    def refuses(self, users: dict[str, Any] | None = None, levels: dict[str, Any] | None = None) -> str:
        return self.room.refuses(BOB, "m.room.power_levels", self.content(users, levels), "")

    def allows(self, users: dict[str, Any] | None = None, levels: dict[str, Any] | None = None) -> None:
        self.room.fork().send(BOB, "m.room.power_levels", self.content(users, levels), "")


class TestForm:
    @pytest.mark.parametrize("users", [7, "x", [], None, {BOB: "x"}, {BOB: None}, {BOB: True}, {BOB: []}])
    def test_users_is_an_object_of_levels(self, version: str, users: Any) -> None:
        room = World(version)
        assert room.refuses(ALICE, "m.room.power_levels", {"users": users}, "") == number(version, 3)

    @pytest.mark.parametrize("user_id", ["bob", "@bob", "#bob:example.org", "", "@bob:"])
    def test_its_keys_are_user_ids(self, version: str, user_id: str) -> None:
        room = World(version)
        assert room.refuses(ALICE, "m.room.power_levels", {"users": {user_id: 1}}, "") == number(version, 3)

    def test_it_may_be_absent(self, version: str) -> None:
        World(version).send(ALICE, "m.room.power_levels", {}, "")

    @pytest.mark.parametrize("value", ["50", " 50 "])
    def test_texts_are_refused_from_version_10(self, version: str, value: str) -> None:
        room = World(version)
        if ROOM_VERSIONS[version].authorization.integer_power_levels:
            assert room.refuses(ALICE, "m.room.power_levels", {"users": {BOB: value}}, "") == number(
                version, 3
            )
            assert room.refuses(ALICE, "m.room.power_levels", {"ban": value}, "") == number(version, 1)
            assert room.refuses(ALICE, "m.room.power_levels", {"events": {"x": value}}, "") == number(
                version, 2
            )
        else:
            room.send(
                ALICE,
                "m.room.power_levels",
                {"users": {BOB: value}, "ban": value, "events": {"x": value}},
                "",
            )

    @pytest.mark.parametrize(
        "name", ["users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"]
    )
    @pytest.mark.parametrize("value", [None, 5.5, [], True, "1"])
    def test_properties_are_integers_from_version_10(self, name: str, value: Any) -> None:
        assert World("10").refuses(ALICE, "m.room.power_levels", {name: value}, "") == "9.1"
        World("10").send(ALICE, "m.room.power_levels", {name: 1}, "")

    @pytest.mark.parametrize("name", ["events", "notifications"])
    @pytest.mark.parametrize("value", [None, 5, [], {"x": "1"}, {"x": True}])
    def test_maps_are_objects_of_integers_from_version_10(self, name: str, value: Any) -> None:
        assert World("10").refuses(ALICE, "m.room.power_levels", {name: value}, "") == "9.2"
        World("10").send(ALICE, "m.room.power_levels", {name: {"x": 1}}, "")

    def test_privileged_creators_are_not_listed(self) -> None:
        room = World("12", create_content={"additional_creators": [BOB]})
        for creator in (ALICE, BOB):
            assert room.refuses(ALICE, "m.room.power_levels", {"users": {creator: 100}}, "") == "10.4"
        room.send(ALICE, "m.room.power_levels", {"users": {CAROL: 100}}, "")


def test_the_first_event_is_free(version: str) -> None:
    room = World(version, only_create=True)
    room.joins(ALICE)
    room.sets_power_levels(ALICE, {BOB: 1000}, {"ban": 2000})


class TestProperties:
    @pytest.mark.parametrize(
        "name", ["users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"]
    )
    def test_up_to_the_own_level(self, version: str, name: str) -> None:
        room = Moderated(version)
        assert room.refuses(levels={name: 51}) == number(version, 5) + ".2"
        room.allows(levels={name: 50})

    @pytest.mark.parametrize("new", [None, 50, 61])
    def test_what_is_above_stays(self, version: str, new: int | None) -> None:
        room = Moderated(version, levels={"ban": 60})
        assert room.refuses(levels={"ban": new}) == number(version, 5) + ".1"
        room.allows()

    @pytest.mark.parametrize("new", [None, 0, 49])
    def test_what_is_not_above_changes(self, version: str, new: int | None) -> None:
        Moderated(version, levels={"ban": 50}).allows(levels={"ban": new})

    def test_a_text_for_the_same_number_is_no_change(self) -> None:
        Moderated("9", levels={"ban": 60}).allows(levels={"ban": "60"})


@pytest.mark.parametrize("name", ["events", "notifications"])
class TestEntries:
    def test_up_to_the_own_level(self, name: str) -> None:
        room = Moderated("11")
        assert room.refuses(levels={name: {**room.levels.get(name, {}), "x": 51}}) == "9.7.1"
        room.allows(levels={name: {**room.levels.get(name, {}), "x": 50}})

    @pytest.mark.parametrize("new", [{}, {"x": 50}])
    def test_what_is_above_stays(self, name: str, new: dict[str, int]) -> None:
        kept = dict(MODERATE["events"]) if name == "events" else {}
        room = Moderated("11", levels={name: {**kept, "x": 60}})
        assert room.refuses(levels={name: {**kept, **new}}) == "9.6.1"
        room.allows()

    def test_what_is_not_above_changes(self, name: str) -> None:
        kept = dict(MODERATE["events"]) if name == "events" else {}
        room = Moderated("11", levels={name: {**kept, "x": 50}})
        room.allows(levels={name: {**kept, "x": 3}})
        room.allows(levels={name: kept})


@pytest.mark.parametrize(("version", "limited"), [("5", False), ("6", True)])
def test_notifications_count_from_version_6(version: str, limited: bool) -> None:
    room = Moderated(version)
    if limited:
        assert room.refuses(levels={"notifications": {"room": 51}}) == "9.5.1"
    else:
        room.allows(levels={"notifications": {"room": 51}})


class TestUsers:
    def test_up_to_the_own_level(self, version: str) -> None:
        room = Moderated(version)
        assert room.refuses({CAROL: 51}) == number(version, 9) + ".1"
        room.allows({CAROL: 50})

    @pytest.mark.parametrize("new", [None, 0, 49])
    def test_equals_and_superiors_stay(self, version: str, new: int | None) -> None:
        room = Moderated(version, users={CAROL: 50, DAN: 60})
        assert room.refuses({CAROL: new}) == number(version, 8) + ".1"
        assert room.refuses({DAN: new}) == number(version, 8) + ".1"
        room.allows()

    def test_lower_ones_change(self, version: str) -> None:
        room = Moderated(version, users={CAROL: 49})
        for new in (None, 0, 50):
            room.allows({CAROL: new})

    def test_oneself_only_down(self, version: str) -> None:
        room = Moderated(version)
        assert room.refuses({BOB: 51}) == number(version, 9) + ".1"
        for new in (None, 0, 49):
            room.allows({BOB: new})


def test_a_privileged_creator_sets_every_level() -> None:
    room = World("12")
    room.sets_power_levels(ALICE, {BOB: 2**53 - 1}, {"ban": 2**53 - 1})
    room.sets_power_levels(ALICE, {BOB: 0}, {"ban": 0})


def test_an_entry_that_cannot_be_read_may_stay_but_not_change() -> None:
    room = World("9", only_create=True)
    room.joins(ALICE)
    assert World("9").refuses(ALICE, "m.room.power_levels", {"ban": "much"}, "") == "9.3"
    room.sets_power_levels(ALICE, {ALICE: 100}, {"ban": "much"})
    for new in ({"ban": 1}, {"ban": "more"}, {}):
        assert room.refuses(ALICE, "m.room.power_levels", {"users": {ALICE: 100}, **new}, "") == "9.3"
    room.sets_power_levels(ALICE, {ALICE: 100, BOB: 50}, {"ban": "much"})


def test_true_is_not_one() -> None:
    room = World("9", only_create=True)
    room.joins(ALICE)
    room.sets_power_levels(ALICE, {ALICE: 100}, {"ban": True})
    assert room.refuses(ALICE, "m.room.power_levels", {"users": {ALICE: 100}, "ban": 1}, "") == "9.3"


def test_a_map_that_cannot_be_read_refuses_changes() -> None:
    room = World("9", only_create=True)
    room.joins(ALICE)
    room.sets_power_levels(ALICE, {ALICE: 100}, {"events": 7})
    assert room.refuses(ALICE, "m.room.power_levels", {"users": {ALICE: 100}, "events": {}}, "") == "9.4"


def test_sending_power_levels_needs_the_level_of_the_type() -> None:
    room = public_world("11", BOB, levels={BOB: 49})
    assert room.refuses(BOB, "m.room.power_levels", {"users": {ALICE: 100, BOB: 49}}, "") == "7"
