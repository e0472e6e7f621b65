"""Changing a user's push rules (client-server API, "Push Rules: API").

Every function takes a ruleset in wire form and returns a new one; the old one is never changed, and a refusal
(`MatrixError`) leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hamrasan.protocol.errors import MatrixError, bad_json, invalid_param, missing_param, not_found
from hamrasan.protocol.push_rules.conditions import compile_condition, is_known_condition
from hamrasan.protocol.push_rules.defaults import KINDS, MASTER, POSTCONTENT, THREAD_RULES, Ruleset

MAX_TESTED_RULES = 200
"""The user's own rules of one kind that are tested one after another for each event: 200 take some 0.2 ms."""
MAX_NAMED_RULES = 5000
"""The user's own room or sender rules, which cost nothing per event but travel with each `m.push_rules`."""
MAX_CONDITIONS = 20
"""Conditions of one rule: each may be tested for each event, and six kinds are defined."""
MAX_ACTIONS = 20
"""Actions of one rule; three are defined."""
MAX_TEXT_LENGTH = 1024
"""Characters of a rule's id, of a pattern or of any other text in a rule: four times the longest identifier."""

_CONDITIONAL = ("override", "underride")
_NAMED = ("room", "sender")
_CONDITION_TEXTS = frozenset({"key", "pattern", "is"})
"""Members that are strings, also where the kind has no use for them (`PushCondition`)."""
_HISTORICAL_ACTIONS = ("dont_notify", "coalesce")
"""Accepted from old clients, and left out ("Historical Actions")."""


def find_rule(ruleset: Ruleset, kind: str, rule_id: str) -> dict[str, Any]:
    """Return a rule; raise `M_NOT_FOUND` if there is none, `M_INVALID_PARAM` if there is no such kind."""
    rules = _rules_of(ruleset, kind)
    rule: dict[str, Any] = rules[_index_of(rules, rule_id)]
    return rule


def put_rule(
    ruleset: Ruleset, kind: str, rule_id: str, body: Any, before: str | None = None, after: str | None = None
) -> Ruleset:
    """Add a rule of the user's own, or change it if there is one of this id (`setPushRule`).

    A new rule is enabled; it comes first among the user's own, or next to the rule named by `before` (which wins)
    or `after`. A changed rule keeps its place (unless one is named) and stays enabled or disabled. Raises
    `M_INVALID_PARAM` for an id or kind that is not allowed, `M_BAD_JSON` or `M_MISSING_PARAM` for a wrong body, and
    `M_UNKNOWN` if the rule to stand next to is none of the user's own, or the user has too many rules.
    """
    rules = _rules_of(ruleset, kind)
    if kind == POSTCONTENT:
        raise invalid_param(f"Push rules of the kind '{POSTCONTENT}' are predefined; none can be added.")
    _check_rule_id(rule_id)
    rule = {"rule_id": rule_id, "default": False, "enabled": True, **_parse_rule(kind, body)}
    index = next((i for i, existing in enumerate(rules) if existing["rule_id"] == rule_id), None)
    if index is None:
        _check_room_for_more(rules, kind)
    else:
        rule["enabled"] = rules[index]["enabled"]
        if before is None and after is None:
            return _with_rules(ruleset, kind, [*rules[:index], rule, *rules[index + 1 :]])
        rules = [*rules[:index], *rules[index + 1 :]]
    place = _place(rules, before, after)
    return _with_rules(ruleset, kind, [*rules[:place], rule, *rules[place:]])


def delete_rule(ruleset: Ruleset, kind: str, rule_id: str) -> Ruleset:
    """Remove a rule of the user's own (`deletePushRule`); raise `M_NOT_FOUND` or `M_INVALID_PARAM`."""
    rules = _rules_of(ruleset, kind)
    index = _index_of(rules, rule_id)
    if rules[index]["default"]:
        raise invalid_param("A predefined push rule cannot be deleted; it can be disabled.")
    return _with_rules(ruleset, kind, [*rules[:index], *rules[index + 1 :]])


def set_enabled(ruleset: Ruleset, kind: str, rule_id: str, body: Any) -> Ruleset:
    """Enable or disable any rule (`setPushRuleEnabled`, body `{"enabled": bool}`)."""
    enabled = _member(body, "enabled")
    if not isinstance(enabled, bool):
        raise bad_json("'enabled' must be true or false.")
    return _replace_rule(ruleset, kind, rule_id, lambda rule: {**rule, "enabled": enabled})


def set_actions(ruleset: Ruleset, kind: str, rule_id: str, body: Any) -> Ruleset:
    """Change the actions of any rule (`setPushRuleActions`, body `{"actions": [...]}`)."""
    actions = _parse_actions(body)
    return _replace_rule(ruleset, kind, rule_id, lambda rule: {**rule, "actions": actions})


def enable_thread_rules(ruleset: Ruleset) -> Ruleset:
    """Enable the predefined rules for threads (MSC4306), as the user could."""
    for rule_id in THREAD_RULES:
        ruleset = set_enabled(ruleset, POSTCONTENT, rule_id, {"enabled": True})
    return ruleset


def _rules_of(ruleset: Ruleset, kind: str) -> Sequence[dict[str, Any]]:
    """Return the rules of a kind; raise `M_INVALID_PARAM` if there is no such kind."""
    if kind not in KINDS:
        raise invalid_param(f"There is no kind of push rule '{kind}'; there are {', '.join(KINDS)}.")
    rules: Sequence[dict[str, Any]] = ruleset["global"].get(kind, [])
    return rules


def _index_of(rules: Sequence[Mapping[str, Any]], rule_id: str) -> int:
    """Return where a rule is; raise `M_NOT_FOUND`."""
    for index, rule in enumerate(rules):
        if rule["rule_id"] == rule_id:
            return index
    raise not_found("The push rule was not found.")


def _with_rules(ruleset: Ruleset, kind: str, rules: list[dict[str, Any]]) -> Ruleset:
    """Return a ruleset that has other rules of one kind."""
    return {**ruleset, "global": {**ruleset["global"], kind: rules}}


def _replace_rule(
    ruleset: Ruleset, kind: str, rule_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> Ruleset:
    """Return a ruleset in which one rule is changed."""
    rules = _rules_of(ruleset, kind)
    index = _index_of(rules, rule_id)
    return _with_rules(ruleset, kind, [*rules[:index], change(rules[index]), *rules[index + 1 :]])


def _place(rules: Sequence[Mapping[str, Any]], before: str | None, after: str | None) -> int:
    """Return the index at which a rule of the user's own goes."""
    beside = before if before is not None else after
    if beside is None:
        # User rules come first, but for the master rule, which stands above everything.
        return 1 if rules and rules[0]["rule_id"] == MASTER else 0
    for index, rule in enumerate(rules):
        if rule["rule_id"] == beside and not rule["default"]:
            return index if before is not None else index + 1
    raise MatrixError(400, "M_UNKNOWN", f"before/after rule not found: {beside}")


def _check_rule_id(rule_id: str) -> None:
    """Raise `M_INVALID_PARAM` for an id that a user's rule cannot have."""
    if rule_id.startswith("."):
        raise invalid_param("The id of a push rule must not begin with a dot: those are predefined.")
    if not rule_id or "/" in rule_id or "\\" in rule_id:
        raise invalid_param("The id of a push rule must not be empty or have a slash or backslash.")
    if len(rule_id) > MAX_TEXT_LENGTH:
        raise invalid_param(f"The id of a push rule must not have more than {MAX_TEXT_LENGTH} characters.")


def _check_room_for_more(rules: Sequence[Mapping[str, Any]], kind: str) -> None:
    """Raise `M_UNKNOWN` if the user has as many own rules of a kind as allowed."""
    most = MAX_NAMED_RULES if kind in _NAMED else MAX_TESTED_RULES
    if sum(not rule["default"] for rule in rules) >= most:
        raise MatrixError(400, "M_UNKNOWN", f"You already have {most} push rules of the kind '{kind}'.")


def _parse_rule(kind: str, body: Any) -> dict[str, Any]:
    """Return the members of a rule that a request's body determines."""
    rule: dict[str, Any] = {"actions": _parse_actions(body)}
    if kind == "content":
        rule["pattern"] = _check_text(_member(body, "pattern"), "pattern")
        if not rule["pattern"]:
            raise bad_json("'pattern' must not be empty.")
    elif kind in _CONDITIONAL:
        rule["conditions"] = _parse_conditions(body.get("conditions", []))
    return rule


def _member(body: Any, name: str) -> Any:
    """Return a required member of a request's body."""
    if not isinstance(body, dict):
        raise bad_json("The request body must be a JSON object.")
    if name not in body:
        raise missing_param(name)
    return body[name]


def _check_text(value: Any, name: str) -> str:
    """Return `value` if it is a text of allowed length."""
    if not isinstance(value, str):
        raise bad_json(f"'{name}' must be a string.")
    if len(value) > MAX_TEXT_LENGTH:
        raise bad_json(f"'{name}' must not have more than {MAX_TEXT_LENGTH} characters.")
    return value


def _parse_actions(body: Any) -> list[Any]:
    """Return the actions of a request's body without those that have lost their meaning."""
    actions = _member(body, "actions")
    if not isinstance(actions, list) or len(actions) > MAX_ACTIONS:
        raise bad_json(f"'actions' must be a list of at most {MAX_ACTIONS} actions.")
    for action in actions:
        if isinstance(action, dict):
            _check_tweak(action)
        elif action != "notify" and action not in _HISTORICAL_ACTIONS:
            raise bad_json("An action must be 'notify' or an object with 'set_tweak'.")
    return [action for action in actions if action not in _HISTORICAL_ACTIONS]


def _check_tweak(action: Mapping[str, Any]) -> None:
    """Raise `M_BAD_JSON` unless `action` sets a tweak to a plain value."""
    _check_text(action.get("set_tweak"), "set_tweak")
    if not action.keys() <= {"set_tweak", "value"}:
        raise bad_json("An action must have no members but 'set_tweak' and 'value'.")
    value = action.get("value")
    if isinstance(value, str):
        _check_text(value, "value")
    elif value is not None and not isinstance(value, int):
        raise bad_json("The 'value' of a tweak must be a string, an integer, true or false.")


def _parse_conditions(conditions: Any) -> list[dict[str, Any]]:
    """Return the conditions of a request's body. Unknown kinds are kept: another client may know what they are."""
    if not isinstance(conditions, list) or len(conditions) > MAX_CONDITIONS:
        raise bad_json(f"'conditions' must be a list of at most {MAX_CONDITIONS} conditions.")
    for condition in conditions:
        if not isinstance(condition, dict):
            raise bad_json("A condition must be an object.")
        kind = _check_text(condition.get("kind"), "kind")
        for name, value in condition.items():
            if isinstance(value, str) or name in _CONDITION_TEXTS:
                _check_text(value, name)
            elif isinstance(value, (dict, list)):
                raise bad_json(f"'{name}' of a condition must be a plain value.")
        if is_known_condition(kind) and compile_condition(condition) is None:
            raise bad_json(f"A condition of kind '{kind}' has wrong parameters.")
    return conditions
