"""Changing push rules, and keeping only what was changed."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.push_rules.defaults import KINDS, MASTER, POSTCONTENT, Ruleset, default_ruleset
from hamrasan.protocol.push_rules.edit import (
    MAX_ACTIONS,
    MAX_CONDITIONS,
    MAX_NAMED_RULES,
    MAX_TESTED_RULES,
    MAX_TEXT_LENGTH,
    delete_rule,
    find_rule,
    put_rule,
    set_actions,
    set_enabled,
)
from hamrasan.protocol.push_rules.stored import ruleset_from_stored, stored_form

OWN_KINDS = tuple(kind for kind in KINDS if kind != POSTCONTENT)
"""The kinds of which users have rules of their own."""
USER = "@alice:example.org"
MATCH = {"kind": "event_match", "key": "content.body", "pattern": "x"}


def ids(ruleset: Ruleset, kind: str) -> list[str]:
    return [rule["rule_id"] for rule in ruleset["global"][kind] if not rule["default"]]


def with_rules(kind: str, *rule_ids: str) -> Ruleset:
    ruleset = default_ruleset(USER)
    for rule_id in reversed(rule_ids):
        ruleset = put_rule(ruleset, kind, rule_id, {"actions": ["notify"], "pattern": "x"})
    return ruleset


class TestPut:
    def test_a_new_rule_is_enabled_and_the_first_of_the_users_own(self) -> None:
        before = default_ruleset(USER)
        after = put_rule(before, "override", "new", {"actions": ["notify"], "conditions": [MATCH], "x": 1})
        assert before == default_ruleset(USER)
        assert after["global"]["override"][0]["rule_id"] == MASTER
        assert after["global"]["override"][1] == {
            "rule_id": "new",
            "default": False,
            "enabled": True,
            "actions": ["notify"],
            "conditions": [MATCH],
        }
        assert ids(put_rule(after, "override", "newer", {"actions": []}), "override") == ["newer", "new"]

    def test_the_members_of_each_kind(self) -> None:
        body = {"actions": [], "pattern": "cake*lie", "conditions": []}
        for kind in OWN_KINDS:
            rule = find_rule(put_rule(default_ruleset(USER), kind, "r", body), kind, "r")
            expected = {"override": {"conditions"}, "underride": {"conditions"}, "content": {"pattern"}}
            assert rule.keys() == {"rule_id", "default", "enabled", "actions"} | expected.get(kind, set())

    def test_changing_a_rule_keeps_its_place_and_whether_it_is_enabled(self) -> None:
        ruleset = set_enabled(with_rules("content", "a", "b", "c"), "content", "b", {"enabled": False})
        changed = put_rule(ruleset, "content", "b", {"actions": [], "pattern": "new"})
        assert ids(changed, "content") == ["a", "b", "c"]
        assert find_rule(changed, "content", "b") == {
            "rule_id": "b",
            "default": False,
            "enabled": False,
            "actions": [],
            "pattern": "new",
        }

    @pytest.mark.parametrize(
        ("rule_id", "place", "order"),
        [
            ("new", {"before": "b"}, ["a", "new", "b", "c"]),
            ("new", {"after": "b"}, ["a", "b", "new", "c"]),
            ("new", {"before": "c", "after": "a"}, ["a", "b", "new", "c"]),
            ("c", {"before": "a"}, ["c", "a", "b"]),
            ("a", {"after": "b"}, ["b", "a", "c"]),
            ("b", {"after": "c"}, ["a", "c", "b"]),
        ],
    )
    def test_order(self, rule_id: str, place: dict[str, str], order: list[str]) -> None:
        body = {"actions": [], "pattern": "x"}
        assert (
            ids(put_rule(with_rules("content", "a", "b", "c"), "content", rule_id, body, **place), "content")
            == order
        )

    @pytest.mark.parametrize("place", [{"before": "missing"}, {"after": ".m.rule.message"}, {"before": "r"}])
    def test_the_rule_to_stand_next_to_must_be_another_of_the_users_own(self, place: dict[str, str]) -> None:
        ruleset = with_rules("underride", "r")
        with pytest.raises(MatrixError) as caught:
            put_rule(ruleset, "underride", "r", {"actions": []}, **place)
        assert (caught.value.status, caught.value.errcode) == (400, "M_UNKNOWN")

    @pytest.mark.parametrize("rule_id", [".mine", "", "a/b", "a\\b", "x" * (MAX_TEXT_LENGTH + 1)])
    def test_ids_that_are_refused(self, rule_id: str) -> None:
        with pytest.raises(MatrixError) as caught:
            put_rule(default_ruleset(USER), "room", rule_id, {"actions": []})
        assert (caught.value.status, caught.value.errcode) == (400, "M_INVALID_PARAM")

    def test_rules_for_threads_are_not_added(self) -> None:
        with pytest.raises(MatrixError) as caught:
            put_rule(default_ruleset(USER), POSTCONTENT, "mine", {"actions": [], "conditions": []})
        assert (caught.value.status, caught.value.errcode) == (400, "M_INVALID_PARAM")

    def test_the_kind_must_exist(self) -> None:
        with pytest.raises(MatrixError) as caught:
            put_rule(default_ruleset(USER), "device", "r", {"actions": []})
        assert (caught.value.status, caught.value.errcode) == (400, "M_INVALID_PARAM")

    @pytest.mark.parametrize(
        ("kind", "body", "errcode"),
        [
            ("room", [], "M_BAD_JSON"),
            ("room", {}, "M_MISSING_PARAM"),
            ("room", {"actions": "notify"}, "M_BAD_JSON"),
            ("room", {"actions": ["explode"]}, "M_BAD_JSON"),
            ("room", {"actions": [1]}, "M_BAD_JSON"),
            ("room", {"actions": [{"value": "x"}]}, "M_BAD_JSON"),
            ("room", {"actions": [{"set_tweak": 1}]}, "M_BAD_JSON"),
            ("room", {"actions": [{"set_tweak": "sound", "value": []}]}, "M_BAD_JSON"),
            ("room", {"actions": [{"set_tweak": "sound", "value": "x", "more": 1}]}, "M_BAD_JSON"),
            ("room", {"actions": ["notify"] * (MAX_ACTIONS + 1)}, "M_BAD_JSON"),
            ("content", {"actions": []}, "M_MISSING_PARAM"),
            ("content", {"actions": [], "pattern": 1}, "M_BAD_JSON"),
            ("content", {"actions": [], "pattern": ""}, "M_BAD_JSON"),
            ("content", {"actions": [], "pattern": "x" * (MAX_TEXT_LENGTH + 1)}, "M_BAD_JSON"),
            ("override", {"actions": [], "conditions": {}}, "M_BAD_JSON"),
            ("override", {"actions": [], "conditions": ["x"]}, "M_BAD_JSON"),
            ("override", {"actions": [], "conditions": [{}]}, "M_BAD_JSON"),
            (
                "override",
                {"actions": [], "conditions": [{"kind": "event_match", "key": "type"}]},
                "M_BAD_JSON",
            ),
            (
                "override",
                {"actions": [], "conditions": [{"kind": "room_member_count", "is": "few"}]},
                "M_BAD_JSON",
            ),
            ("override", {"actions": [], "conditions": [{"kind": "org.example", "x": {}}]}, "M_BAD_JSON"),
            ("override", {"actions": [], "conditions": [{"kind": "org.example", "key": None}]}, "M_BAD_JSON"),
            ("override", {"actions": [], "conditions": [MATCH] * (MAX_CONDITIONS + 1)}, "M_BAD_JSON"),
        ],
    )
    def test_bodies_that_are_refused(self, kind: str, body: Any, errcode: str) -> None:
        with pytest.raises(MatrixError) as caught:
            put_rule(default_ruleset(USER), kind, "r", body)
        assert (caught.value.status, caught.value.errcode) == (400, errcode)

    def test_unknown_conditions_are_kept_and_historical_actions_are_not(self) -> None:
        body = {"actions": ["dont_notify", "coalesce"], "conditions": [{"kind": "org.example", "x": 1}]}
        rule = find_rule(put_rule(default_ruleset(USER), "override", "r", body), "override", "r")
        assert rule["conditions"] == [{"kind": "org.example", "x": 1}]
        assert rule["actions"] == []

    @pytest.mark.parametrize(("kind", "most"), [("underride", MAX_TESTED_RULES), ("room", MAX_NAMED_RULES)])
    def test_the_number_of_rules_is_bounded(self, kind: str, most: int) -> None:
        full = default_ruleset(USER)
        full["global"][kind][:0] = [
            {"rule_id": f"r{n}", "default": False, "enabled": True, "actions": [], "conditions": []}
            for n in range(most)
        ]
        assert len(ids(put_rule(full, kind, "r0", {"actions": []}), kind)) == most
        with pytest.raises(MatrixError) as caught:
            put_rule(full, kind, "one_more", {"actions": []})
        assert (caught.value.status, caught.value.errcode) == (400, "M_UNKNOWN")


class TestOtherChanges:
    def test_delete(self) -> None:
        ruleset = with_rules("content", "a", "b")
        assert ids(delete_rule(ruleset, "content", "a"), "content") == ["b"]
        assert ids(ruleset, "content") == ["a", "b"]

    @pytest.mark.parametrize(
        ("rule_id", "expected"), [("missing", (404, "M_NOT_FOUND")), (MASTER, (400, "M_INVALID_PARAM"))]
    )
    def test_what_cannot_be_deleted(self, rule_id: str, expected: tuple[int, str]) -> None:
        with pytest.raises(MatrixError) as caught:
            delete_rule(default_ruleset(USER), "override", rule_id)
        assert (caught.value.status, caught.value.errcode) == expected

    def test_predefined_rules_can_be_changed(self) -> None:
        ruleset = default_ruleset(USER)
        changed = set_enabled(ruleset, "override", MASTER, {"enabled": True})
        changed = set_actions(changed, "underride", ".m.rule.message", {"actions": ["dont_notify"]})
        assert find_rule(changed, "override", MASTER)["enabled"] is True
        assert find_rule(changed, "underride", ".m.rule.message")["actions"] == []
        assert ruleset == default_ruleset(USER)

    @pytest.mark.parametrize(("body", "errcode"), [({}, "M_MISSING_PARAM"), ({"enabled": 1}, "M_BAD_JSON")])
    def test_enabled_must_be_a_boolean(self, body: Any, errcode: str) -> None:
        with pytest.raises(MatrixError) as caught:
            set_enabled(default_ruleset(USER), "override", MASTER, body)
        assert caught.value.errcode == errcode

    def test_unknown_rules_are_not_found(self) -> None:
        ruleset = default_ruleset(USER)
        changes: list[Callable[[], object]] = [
            lambda: find_rule(ruleset, "room", "r"),
            lambda: set_enabled(ruleset, "room", "r", {"enabled": True}),
            lambda: set_actions(ruleset, "room", "r", {"actions": []}),
        ]
        for change in changes:
            with pytest.raises(MatrixError) as caught:
                change()
            assert (caught.value.status, caught.value.errcode) == (404, "M_NOT_FOUND")


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "enabled", "actions"]),
        st.sampled_from(OWN_KINDS),
        st.sampled_from(["a", "b", "c", MASTER, ".m.rule.message", ".m.rule.reaction"]),
        st.sampled_from([None, "a", "b"]),
        st.booleans(),
    ),
    max_size=12,
)


class TestStoredForm:
    def test_a_user_who_changed_nothing_has_nothing_stored(self) -> None:
        assert stored_form(default_ruleset(USER), USER) == {}
        assert ruleset_from_stored({}, USER) == default_ruleset(USER)

    @given(OPERATIONS)
    def test_it_comes_back_after_any_changes(
        self, operations: list[tuple[str, str, str, str | None, bool]]
    ) -> None:
        ruleset = default_ruleset(USER)
        for name, kind, rule_id, before, flag in operations:
            old = deepcopy(ruleset)
            actions = {
                "actions": ["notify"] if flag else [],
                "pattern": "x",
                "conditions": [MATCH] if flag else [],
            }
            try:
                if name == "put":
                    changed = put_rule(ruleset, kind, rule_id, actions, before=before)
                elif name == "delete":
                    changed = delete_rule(ruleset, kind, rule_id)
                elif name == "enabled":
                    changed = set_enabled(ruleset, kind, rule_id, {"enabled": flag})
                else:
                    changed = set_actions(ruleset, kind, rule_id, actions)
            except MatrixError:
                changed = ruleset
            assert ruleset == old
            ruleset = changed
        assert ruleset_from_stored(stored_form(ruleset, USER), USER) == ruleset

    def test_newer_predefined_rules_reach_those_who_changed_others(self) -> None:
        ruleset = put_rule(default_ruleset(USER), "override", "mine", {"actions": ["notify"]})
        ruleset = set_enabled(ruleset, "override", ".m.rule.suppress_edits", {"enabled": False})
        stored = stored_form(ruleset, USER)
        assert stored["changed"] == {"override": {".m.rule.suppress_edits": {"enabled": False}}}
        # As if the rules had been stored before one was added, and with a change to one that is no longer there.
        stored["changed"]["override"][".m.rule.contains_display_name"] = {"enabled": False}
        assert ruleset_from_stored(stored, USER) == ruleset
