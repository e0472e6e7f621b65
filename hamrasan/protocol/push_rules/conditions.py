"""Conditions of push rules (client-server API, "Push Rules", "Conditions"), compiled to plain functions."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hamrasan.protocol.globs import compile_glob, compile_word_glob, contains_words
from hamrasan.protocol.property_paths import parse_property_path, property_at
from hamrasan.protocol.push_rules.defaults import THREAD_SUBSCRIPTION

DEFAULT_NOTIFICATION_LEVELS: Mapping[str, int] = {"room": 50}
"""Power levels that notifications need where the room does not say (`m.room.power_levels`, `notifications`)."""
MAX_INTEGER = 2**53 - 1
"""The largest integer of canonical JSON."""

_BODY = ("content", "body")
_COUNT = re.compile(r"(==|<=|>=|<|>)?([0-9]{1,16})")
_COMPARISONS: Mapping[str, Callable[[int, int], bool]] = {
    "": operator.eq,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What a reader's rules ask beyond the event: the reader, and the room when the event was sent."""

    user_id: str
    member_count: int
    """Joined members of the room."""
    sender_power_level: float
    """The event's sender's; infinite (`math.inf`) for a creator of a room whose version privileges creators."""
    display_name: str | None = None
    """The reader's in this room."""
    notification_levels: Mapping[str, int] = field(default_factory=dict)
    """`notifications` of the room's power levels."""
    subscribed: bool | None = None
    """Whether the reader follows the thread that the event is part of; None for an event that is part of none."""


Test = Callable[[Mapping[str, Any], RuleContext], bool]
"""Whether a condition holds for an event (a JSON object with `type`, `sender`, `room_id`, `content`, ...)."""


def compile_condition(condition: Any) -> Test | None:
    """Return the test of a condition, or None for one that is unknown or has wrong parameters: it never matches."""
    if not isinstance(condition, dict):
        return None
    kind = condition.get("kind")
    compiler = _COMPILERS.get(kind) if isinstance(kind, str) else None
    return None if compiler is None else compiler(condition)


def is_known_condition(kind: str) -> bool:
    """Return whether this server understands conditions of this kind."""
    return kind in _COMPILERS


def compile_pattern(path: tuple[str, ...], pattern: str) -> Test:
    """Return the test whether a property matches a glob: as a whole, or for `content.body` between word boundaries."""
    matches = compile_word_glob(pattern) if path == _BODY else compile_glob(pattern)

    def test(event: Mapping[str, Any], context: RuleContext) -> bool:
        value = property_at(event, path)
        return isinstance(value, str) and matches(value)

    return test


def _event_match(condition: Mapping[str, Any]) -> Test | None:
    key, pattern = condition.get("key"), condition.get("pattern")
    if not isinstance(key, str) or not isinstance(pattern, str):
        return None
    return compile_pattern(parse_property_path(key), pattern)


def _event_property_is(condition: Mapping[str, Any]) -> Test | None:
    key, value = condition.get("key"), condition.get("value")
    if not isinstance(key, str) or "value" not in condition or not _is_plain(value):
        return None
    path = parse_property_path(key)
    return lambda event, context: _equal(property_at(event, path), value)


def _event_property_contains(condition: Mapping[str, Any]) -> Test | None:
    key, value = condition.get("key"), condition.get("value")
    if not isinstance(key, str) or "value" not in condition or not _is_plain(value):
        return None
    path = parse_property_path(key)

    def test(event: Mapping[str, Any], context: RuleContext) -> bool:
        values = property_at(event, path)
        return isinstance(values, list) and any(_equal(item, value) for item in values)

    return test


def _contains_display_name(condition: Mapping[str, Any]) -> Test | None:
    """Deprecated by the specification, which allows it in rules of users."""

    def test(event: Mapping[str, Any], context: RuleContext) -> bool:
        body, name = property_at(event, _BODY), context.display_name
        return name is not None and isinstance(body, str) and contains_words(body, name)

    return test


def _room_member_count(condition: Mapping[str, Any]) -> Test | None:
    wanted = condition.get("is")
    parts = _COUNT.fullmatch(wanted) if isinstance(wanted, str) else None
    if parts is None:
        return None
    compare, number = _COMPARISONS[parts[1] or ""], int(parts[2])
    return lambda event, context: compare(context.member_count, number)


def _sender_notification_permission(condition: Mapping[str, Any]) -> Test | None:
    key = condition.get("key")
    if not isinstance(key, str):
        return None

    def test(event: Mapping[str, Any], context: RuleContext) -> bool:
        needed = context.notification_levels.get(key, DEFAULT_NOTIFICATION_LEVELS.get(key))
        return needed is not None and context.sender_power_level >= needed

    return test


def _thread_subscription(condition: Mapping[str, Any]) -> Test | None:
    wanted = condition.get("subscribed")
    if not isinstance(wanted, bool):
        return None
    return lambda event, context: context.subscribed is wanted


_COMPILERS: Mapping[str, Callable[[Mapping[str, Any]], Test | None]] = {
    "event_match": _event_match,
    "event_property_is": _event_property_is,
    "event_property_contains": _event_property_contains,
    "contains_display_name": _contains_display_name,
    "room_member_count": _room_member_count,
    "sender_notification_permission": _sender_notification_permission,
    THREAD_SUBSCRIPTION: _thread_subscription,
}


def _is_plain(value: Any) -> bool:
    """Return whether `value` is a non-compound value of canonical JSON."""
    if isinstance(value, int):
        return -MAX_INTEGER <= value <= MAX_INTEGER
    return value is None or isinstance(value, str)


def _equal(found: Any, value: Any) -> bool:
    """Return whether two JSON values are the same, which 1 and true (or 1 and 1.0) are not."""
    return type(found) is type(value) and bool(found == value)
