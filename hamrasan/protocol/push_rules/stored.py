"""How a user's push rules are kept: only what the user has changed.

A predefined rule that a later version of the specification adds or changes then reaches everybody, and a user who has
changed nothing costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.protocol.push_rules.defaults import MASTER, Ruleset, default_ruleset

_CHANGEABLE = ("enabled", "actions")
"""What a user can change of a predefined rule."""


def stored_form(ruleset: Ruleset, user_id: str) -> dict[str, Any]:
    """Return what to keep of a ruleset: the user's own rules, and what differs of the predefined ones."""
    kinds = ruleset["global"]
    own: dict[str, list[dict[str, Any]]] = {}
    changed: dict[str, dict[str, dict[str, Any]]] = {}
    for kind, predefined in default_ruleset(user_id)["global"].items():
        defaults = {rule["rule_id"]: rule for rule in predefined}
        for rule in kinds.get(kind, ()):
            if not rule["default"]:
                own.setdefault(kind, []).append({name: rule[name] for name in rule if name != "default"})
                continue
            default = defaults.get(rule["rule_id"], rule)
            differences = {name: rule[name] for name in _CHANGEABLE if rule[name] != default[name]}
            if differences:
                changed.setdefault(kind, {})[rule["rule_id"]] = differences
    return {name: value for name, value in (("own", own), ("changed", changed)) if value}


def ruleset_from_stored(stored: Mapping[str, Any], user_id: str) -> Ruleset:
    """Return the whole ruleset of a user: the predefined rules of today with what the user has changed.

    The user's own rules come after the master rule and before all other predefined ones.
    """
    ruleset = default_ruleset(user_id)
    own, changed = stored.get("own", {}), stored.get("changed", {})
    for kind, predefined in ruleset["global"].items():
        differences = changed.get(kind, {})
        for rule in predefined:
            rule.update(differences.get(rule["rule_id"], {}))
        place = 1 if predefined and predefined[0]["rule_id"] == MASTER else 0
        predefined[place:place] = [{**rule, "default": False} for rule in own.get(kind, ())]
    return ruleset
