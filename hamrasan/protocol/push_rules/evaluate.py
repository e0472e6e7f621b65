"""Evaluating a user's push rules for an event (client-server API, "Push Rules"): the exact answer, for any ruleset.

A ruleset is compiled once (`compile_ruleset`) and kept; evaluating compiles and copies nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hamrasan.protocol.push_rules.conditions import RuleContext, Test, compile_condition, compile_pattern
from hamrasan.protocol.push_rules.defaults import POSTCONTENT, THREAD_SUBSCRIPTION

_BODY = ("content", "body")
_CONDITIONAL = ("override", POSTCONTENT, "underride")


@dataclass(frozen=True, slots=True)
class PushActions:
    """What a matching rule does. Without `notify` there is no notification, hence no sound and no highlight."""

    notify: bool = False
    highlight: bool = False
    sound: str | None = None
    tweaks: Mapping[str, Any] = field(default_factory=dict)
    """All tweaks, as the push gateway gets them."""
    actions: tuple[Any, ...] = ()
    """The actions as `GET /notifications` shows them."""


NOTHING = PushActions()


@dataclass(frozen=True, slots=True)
class _CompiledRule:
    """A rule whose tests must all hold."""

    tests: tuple[Test, ...]
    actions: PushActions


@dataclass(frozen=True, slots=True)
class CompiledRuleset:
    """The enabled rules of a user that can match. Room and sender rules are found by their id, at once."""

    override: tuple[_CompiledRule, ...]
    content: tuple[_CompiledRule, ...]
    postcontent: tuple[_CompiledRule, ...]
    room: Mapping[str, PushActions]
    sender: Mapping[str, PushActions]
    underride: tuple[_CompiledRule, ...]
    asks_threads: bool = False
    """Whether any rule asks if the reader follows a thread, so that `RuleContext.subscribed` has to be known."""


def compile_ruleset(ruleset: Mapping[str, Any]) -> CompiledRuleset:
    """Compile a ruleset in wire form (`{"global": ...}`); disabled rules and unknown conditions fall away."""
    kinds = ruleset["global"]
    return CompiledRuleset(
        override=_compile_conditional(kinds.get("override", ())),
        content=_compile_content(kinds.get("content", ())),
        postcontent=_compile_conditional(kinds.get(POSTCONTENT, ())),
        room=_compile_named(kinds.get("room", ())),
        sender=_compile_named(kinds.get("sender", ())),
        underride=_compile_conditional(kinds.get("underride", ())),
        asks_threads=any(
            isinstance(condition, dict) and condition.get("kind") == THREAD_SUBSCRIPTION
            for kind in _CONDITIONAL
            for rule in _enabled(kinds.get(kind, ()))
            for condition in rule.get("conditions", ())
        ),
    )


def evaluate(compiled: CompiledRuleset, event: Mapping[str, Any], context: RuleContext) -> PushActions:
    """Return what the reader's rules do for `event`, a JSON object with `type`, `sender`, `room_id`, `content`, ...

    Own events do nothing, and nothing happens where no rule matches.
    """
    if event["sender"] == context.user_id:
        return NOTHING
    return (
        _first_match(compiled.override, event, context)
        or _first_match(compiled.content, event, context)
        or _first_match(compiled.postcontent, event, context)
        or compiled.room.get(event.get("room_id", ""))
        or compiled.sender.get(event["sender"])
        or _first_match(compiled.underride, event, context)
        or NOTHING
    )


def parse_actions(actions: Iterable[Any]) -> PushActions:
    """Read a list of actions; historical (`dont_notify`, `coalesce`) and unknown ones do nothing."""
    notify = False
    tweaks: dict[str, Any] = {}
    effective: list[Any] = []
    for action in actions:
        if action == "notify":
            notify = True
        elif isinstance(action, dict) and isinstance(action.get("set_tweak"), str):
            name = action["set_tweak"]
            tweaks[name] = action.get("value", True if name == "highlight" else None)
        else:
            continue
        effective.append(action)
    if not notify:
        return PushActions(actions=tuple(effective))
    sound = tweaks.get("sound")
    return PushActions(
        notify=True,
        highlight=tweaks.get("highlight") is True,
        sound=sound if isinstance(sound, str) else None,
        tweaks=tweaks,
        actions=tuple(effective),
    )


def _first_match(
    rules: tuple[_CompiledRule, ...], event: Mapping[str, Any], context: RuleContext
) -> PushActions | None:
    """Return the actions of the first rule whose tests hold."""
    for rule in rules:
        for test in rule.tests:
            if not test(event, context):
                break
        else:
            return rule.actions
    return None


def _enabled(rules: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (rule for rule in rules if rule["enabled"])


def _compile_conditional(rules: Iterable[Mapping[str, Any]]) -> tuple[_CompiledRule, ...]:
    """Compile rules of the kinds that have conditions."""
    compiled: list[_CompiledRule] = []
    for rule in _enabled(rules):
        tests = [compile_condition(condition) for condition in rule.get("conditions", ())]
        known = tuple(test for test in tests if test is not None)
        if len(known) == len(tests):
            compiled.append(_CompiledRule(known, parse_actions(rule["actions"])))
    return tuple(compiled)


def _compile_content(rules: Iterable[Mapping[str, Any]]) -> tuple[_CompiledRule, ...]:
    """Compile content rules."""
    return tuple(
        _CompiledRule((compile_pattern(_BODY, rule["pattern"]),), parse_actions(rule["actions"]))
        for rule in _enabled(rules)
    )


def _compile_named(rules: Iterable[Mapping[str, Any]]) -> Mapping[str, PushActions]:
    """Compile room or sender rules, whose id is the room's or the sender's."""
    return {rule["rule_id"]: parse_actions(rule["actions"]) for rule in _enabled(rules)}
