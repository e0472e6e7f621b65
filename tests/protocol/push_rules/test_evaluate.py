"""Push rules: what each predefined rule does, the order of kinds, and conditions."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hamrasan.protocol.push_rules.conditions import RuleContext, compile_condition
from hamrasan.protocol.push_rules.defaults import KINDS, THREAD_SUBSCRIPTION, Ruleset, default_ruleset
from hamrasan.protocol.push_rules.edit import enable_thread_rules
from hamrasan.protocol.push_rules.evaluate import (
    NOTHING,
    PushActions,
    compile_ruleset,
    evaluate,
    parse_actions,
)

READER, SENDER, ROOM = "@reader:example.org", "@sender:example.org", "!room:example.org"


def an_event(
    event_type: str = "m.room.message", state_key: str | None = None, **content: Any
) -> dict[str, Any]:
    event = {"type": event_type, "sender": SENDER, "room_id": ROOM, "event_id": "$event", "content": content}
    return event if state_key is None else {**event, "state_key": state_key}


def mentions(**members: Any) -> dict[str, Any]:
    return {"m.mentions": members}


def relates(**members: Any) -> dict[str, Any]:
    return {"m.relates_to": members}


def a_context(**changes: Any) -> RuleContext:
    return RuleContext(**{"user_id": READER, "member_count": 10, "sender_power_level": 0, **changes})


def evaluated(event: dict[str, Any], ruleset: Ruleset | None = None, **context: Any) -> PushActions:
    return evaluate(compile_ruleset(ruleset or default_ruleset(READER)), event, a_context(**context))


def summary(actions: PushActions) -> tuple[bool, bool, str | None]:
    return (actions.notify, actions.highlight, actions.sound)


PLAIN, SILENT = (True, False, None), (False, False, None)
MENTION, ROOM_MENTION = (True, True, "default"), (True, True, None)


def with_rule(kind: str, rule_id: str, actions: list[Any], **more: Any) -> Ruleset:
    ruleset = default_ruleset(READER)
    rule = {"rule_id": rule_id, "default": False, "enabled": True, "actions": actions, **more}
    ruleset["global"][kind].insert(1 if kind == "override" else 0, rule)
    return ruleset


class TestPredefinedRules:
    @pytest.mark.parametrize(
        ("event", "expected"),
        [
            (an_event(msgtype="m.text", body="hi"), PLAIN),
            (an_event("m.room.encrypted", algorithm="x"), PLAIN),
            (an_event("m.call.invite"), (True, False, "ring")),
            (an_event("m.sticker"), SILENT),
            (an_event("m.room.name", "", name="x"), SILENT),
            (an_event(msgtype="m.notice", body="hi"), SILENT),
            (an_event("m.room.member", READER, membership="invite"), (True, False, "default")),
            (an_event("m.room.member", "@other:x", membership="invite"), SILENT),
            (an_event("m.room.member", READER, membership="ban"), SILENT),
            (an_event(**mentions(user_ids=["@other:x", READER])), MENTION),
            (an_event(**mentions(user_ids=["@other:x"])), PLAIN),
            (an_event("m.reaction", **mentions(user_ids=[READER])), MENTION),
            (an_event(msgtype="m.notice", **mentions(user_ids=[READER])), SILENT),
            (an_event("m.room.tombstone", ""), ROOM_MENTION),
            (an_event("m.room.tombstone", "x"), SILENT),
            (an_event("m.room.tombstone"), SILENT),
            (an_event("m.reaction", **relates(rel_type="m.annotation")), SILENT),
            (an_event("m.room.server_acl", ""), SILENT),
            (an_event(**relates(rel_type="m.replace")), SILENT),
            (an_event(**relates(rel_type="m.thread")), PLAIN),
        ],
    )
    def test_in_a_group(self, event: dict[str, Any], expected: tuple[Any, ...]) -> None:
        assert summary(evaluated(event)) == expected

    @pytest.mark.parametrize("event_type", ["m.room.message", "m.room.encrypted"])
    def test_between_two_there_is_a_sound(self, event_type: str) -> None:
        assert summary(evaluated(an_event(event_type), member_count=2)) == (True, False, "default")

    @pytest.mark.parametrize(
        ("context", "expected"),
        [
            ({"sender_power_level": 50}, ROOM_MENTION),
            ({"sender_power_level": 49}, PLAIN),
            ({"sender_power_level": 49, "notification_levels": {"room": 49}}, ROOM_MENTION),
            ({"sender_power_level": math.inf, "notification_levels": {"room": 2**53}}, ROOM_MENTION),
        ],
    )
    def test_mentioning_the_room_needs_power(
        self, context: dict[str, Any], expected: tuple[Any, ...]
    ) -> None:
        assert summary(evaluated(an_event(**mentions(room=True)), **context)) == expected

    def test_mentions_room_must_be_true_and_nothing_else(self) -> None:
        assert summary(evaluated(an_event(**mentions(room=1)), sender_power_level=100)) == PLAIN

    def test_own_events_do_nothing(self) -> None:
        event = an_event(**mentions(user_ids=[READER]))
        assert evaluated({**event, "sender": READER}) is NOTHING

    def test_the_master_rule_silences_everything(self) -> None:
        ruleset = with_rule("override", "mine", ["notify"])
        ruleset["global"]["override"][0]["enabled"] = True
        assert not evaluated(an_event(), ruleset).notify


class TestThreads:
    """The rules for threads (MSC4306), as they are once a client has subscribed."""

    def evaluated(self, subscribed: bool | None, rule: Ruleset | None = None, **content: Any) -> PushActions:
        ruleset = enable_thread_rules(rule or default_ruleset(READER))
        event = an_event(**relates(rel_type="m.thread", event_id="$root"), body="cake", **content)
        return evaluated(event, ruleset, subscribed=subscribed)

    def test_are_disabled_at_first(self) -> None:
        for subscribed in (None, False, True):
            assert summary(evaluated(an_event(body="cake"), subscribed=subscribed)) == PLAIN
        assert not compile_ruleset(default_ruleset(READER)).asks_threads
        assert compile_ruleset(enable_thread_rules(default_ruleset(READER))).asks_threads

    def test_a_thread_that_is_not_followed_is_silent(self) -> None:
        assert summary(self.evaluated(False)) == SILENT
        assert summary(self.evaluated(None)) == PLAIN
        assert summary(self.evaluated(True)) == (True, False, "default")

    def test_mentions_and_key_words_are_told_in_any_thread(self) -> None:
        assert summary(self.evaluated(False, **mentions(user_ids=[READER]))) == MENTION
        word = with_rule("content", "word", ["notify"], pattern="cake")
        assert summary(self.evaluated(False, word)) == PLAIN

    def test_what_is_followed_is_told_in_a_muted_room_and_what_is_not_is_silent_in_a_loud_one(self) -> None:
        assert summary(self.evaluated(True, with_rule("room", ROOM, []))) == (True, False, "default")
        assert summary(self.evaluated(False, with_rule("room", ROOM, ["notify"]))) == SILENT

    def test_rules_of_users_may_ask_the_same(self) -> None:
        condition = {"kind": THREAD_SUBSCRIPTION, "subscribed": True}
        loud = with_rule("override", "mine", ["notify", {"set_tweak": "highlight"}], conditions=[condition])
        assert compile_ruleset(loud).asks_threads
        assert evaluated(an_event(), loud, subscribed=True).highlight
        assert not evaluated(an_event(), loud, subscribed=False).highlight


class TestOrder:
    def test_kinds_go_from_override_to_underride(self) -> None:
        assert KINDS == ("override", "content", "postcontent", "room", "sender", "underride")
        event = an_event(body="cake")
        rules: dict[str, tuple[str, dict[str, Any]]] = {
            "override": ("o", {"conditions": []}),
            "content": ("c", {"pattern": "cake"}),
            "postcontent": ("p", {"conditions": []}),
            "room": (ROOM, {}),
            "sender": (SENDER, {}),
            "underride": ("u", {"conditions": []}),
        }
        ruleset = default_ruleset(READER)
        for kind in reversed(KINDS):
            rule_id, more = rules[kind]
            actions = ["notify", {"set_tweak": "sound", "value": kind}]
            rule = {"rule_id": rule_id, "default": False, "enabled": True, "actions": actions, **more}
            ruleset["global"][kind].insert(0, rule)
            assert evaluated(event, ruleset).sound == kind

    def test_the_first_of_a_kind_wins(self) -> None:
        ruleset = with_rule("content", "second", ["notify"], pattern="tea")
        rule = {"rule_id": "first", "default": False, "enabled": True, "actions": [], "pattern": "time"}
        ruleset["global"]["content"].insert(0, rule)
        assert not evaluated(an_event(body="It's time for tea"), ruleset).notify

    def test_a_disabled_rule_does_not_match(self) -> None:
        ruleset = with_rule("room", ROOM, [])
        assert not evaluated(an_event(), ruleset).notify
        ruleset["global"]["room"][0]["enabled"] = False
        assert evaluated(an_event(), ruleset).notify

    def test_room_and_sender_rules_are_for_their_room_and_sender(self) -> None:
        assert evaluated(an_event(), with_rule("room", "!other:example.org", [])).notify
        assert evaluated(an_event(), with_rule("sender", "@other:example.org", [])).notify
        assert not evaluated(an_event(), with_rule("sender", SENDER, [])).notify

    def test_a_rule_with_an_unknown_condition_never_matches(self) -> None:
        known = {"kind": "event_match", "key": "type", "pattern": "*"}
        assert not evaluated(an_event(), with_rule("override", "x", [], conditions=[known])).notify
        unknown = [known, {"kind": "org.example.moon_phase"}]
        assert evaluated(an_event(), with_rule("override", "x", [], conditions=unknown)).notify

    def test_a_content_rule_looks_for_words(self) -> None:
        ruleset = with_rule("content", "cake", ["notify", {"set_tweak": "highlight"}], pattern="cake*lie")
        assert evaluated(an_event(body="The Cake is a lie!"), ruleset).highlight
        assert not evaluated(an_event(body="The pancake is a lie"), ruleset).highlight
        assert not evaluated(an_event(body=["cake lie"]), ruleset).highlight


EVENT = an_event(
    "m.room.x",
    "",
    body="Hello, Reza the Great",
    topic="Lunch plans",
    number=3,
    yes=True,
    nothing=None,
    values=["a", 1, False, None, {"x": 1}],
    **{"m.federate": True, "a\\b": "c"},
)


class TestConditions:
    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ({"kind": "event_match", "key": "content.topic", "pattern": "lunc?*"}, True),
            ({"kind": "event_match", "key": "content.topic", "pattern": "lunch"}, False),
            ({"kind": "event_match", "key": "content.body", "pattern": "reza"}, True),
            ({"kind": "event_match", "key": "content.body", "pattern": "rez"}, False),
            ({"kind": "event_match", "key": "content.number", "pattern": "*"}, False),
            ({"kind": "event_match", "key": "content.absent", "pattern": "*"}, False),
            ({"kind": "event_match", "key": r"content.a\\b", "pattern": "c"}, True),
            ({"kind": "event_match", "key": "state_key", "pattern": ""}, True),
            ({"kind": "event_property_is", "key": r"content.m\.federate", "value": True}, True),
            ({"kind": "event_property_is", "key": r"content.m\.federate", "value": 1}, False),
            ({"kind": "event_property_is", "key": "content.number", "value": 3}, True),
            ({"kind": "event_property_is", "key": "content.nothing", "value": None}, True),
            ({"kind": "event_property_is", "key": "content.absent", "value": None}, False),
            ({"kind": "event_property_is", "key": "content.topic", "value": "lunch plans"}, False),
            ({"kind": "event_property_contains", "key": "content.values", "value": "a"}, True),
            ({"kind": "event_property_contains", "key": "content.values", "value": 1}, True),
            ({"kind": "event_property_contains", "key": "content.values", "value": True}, False),
            ({"kind": "event_property_contains", "key": "content.values", "value": None}, True),
            ({"kind": "event_property_contains", "key": "content.topic", "value": "L"}, False),
            ({"kind": "contains_display_name"}, True),
            ({"kind": "room_member_count", "is": "10"}, True),
            ({"kind": "room_member_count", "is": "==10"}, True),
            ({"kind": "room_member_count", "is": "<10"}, False),
            ({"kind": "room_member_count", "is": "<=10"}, True),
            ({"kind": "room_member_count", "is": ">9"}, True),
            ({"kind": "room_member_count", "is": ">=11"}, False),
            ({"kind": "sender_notification_permission", "key": "room"}, False),
            ({"kind": "sender_notification_permission", "key": "org.example.low"}, True),
            ({"kind": "sender_notification_permission", "key": "org.example.unknown"}, False),
        ],
    )
    def test_holds(self, condition: dict[str, Any], holds: bool) -> None:
        test = compile_condition(condition)
        assert test is not None
        context = a_context(display_name="Reza", notification_levels={"org.example.low": 0})
        assert test(EVENT, context) is holds

    @pytest.mark.parametrize(
        "condition",
        [
            "event_match",
            {},
            {"kind": ["event_match"]},
            {"kind": "device"},
            {"kind": "event_match", "key": "type"},
            {"kind": "event_match", "key": 1, "pattern": "x"},
            {"kind": "event_property_is", "key": "type"},
            {"kind": "event_property_is", "key": "type", "value": 1.0},
            {"kind": "event_property_is", "key": "type", "value": 2**53},
            {"kind": "event_property_contains", "key": "type", "value": []},
            {"kind": "room_member_count", "is": 2},
            {"kind": "room_member_count", "is": "=2"},
            {"kind": "room_member_count", "is": "٢"},
            {"kind": "room_member_count", "is": "9" * 5000},
            {"kind": "sender_notification_permission"},
        ],
    )
    def test_unknown_or_wrong(self, condition: Any) -> None:
        assert compile_condition(condition) is None

    @pytest.mark.parametrize("name", [None, "", "Rez", "the  Great", "Hello Reza"])
    def test_other_names_are_not_in_the_body(self, name: str | None) -> None:
        test = compile_condition({"kind": "contains_display_name"})
        assert test is not None
        assert not test(EVENT, a_context(display_name=name))


class TestActions:
    def test_historical_and_unknown_actions_do_nothing(self) -> None:
        assert parse_actions(["dont_notify", "coalesce", {"x": 1}, 7]) == NOTHING

    def test_tweaks(self) -> None:
        actions = parse_actions(
            [
                "notify",
                {"set_tweak": "highlight"},
                {"set_tweak": "sound", "value": "x"},
                {"set_tweak": "led", "value": 3},
            ]
        )
        assert summary(actions) == (True, True, "x")
        assert actions.tweaks == {"highlight": True, "sound": "x", "led": 3}

    def test_no_highlight_and_no_sound_without_notification(self) -> None:
        assert summary(parse_actions([{"set_tweak": "highlight"}])) == SILENT
        assert summary(parse_actions(["notify", {"set_tweak": "highlight", "value": False}])) == PLAIN
