"""The predefined push rules (client-server API, "Predefined Rules"), as a table.

The rules that searched the text of a message for names are no longer among them (removed in v1.17).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Ruleset = dict[str, Any]
"""A user's rules as `GET /pushrules` and the account data `m.push_rules` have them: `{"global": {kind: [rule]}}`."""

MASTER = ".m.rule.master"
"""The one predefined rule that stands above the user's own."""

THREAD_SUBSCRIPTION = "io.element.msc4306.thread_subscription"
"""The kind of condition that asks whether the reader follows the event's thread (MSC4306)."""
POSTCONTENT = "postcontent"
"""The kind of the two rules for threads, which users cannot add rules of (MSC4306)."""
UNSUBSCRIBED_THREAD = ".io.element.msc4306.rule.unsubscribed_thread"
SUBSCRIBED_THREAD = ".io.element.msc4306.rule.subscribed_thread"
THREAD_RULES = (UNSUBSCRIBED_THREAD, SUBSCRIBED_THREAD)
"""Disabled until one of the user's clients knows of subscriptions: nobody else could follow a thread, and the rules
would hide all threads from them."""

_USER_ID = object()
"""Stands in the table where the user's own id belongs."""

NOTIFY = "notify"
HIGHLIGHT = {"set_tweak": "highlight"}
DEFAULT_SOUND = {"set_tweak": "sound", "value": "default"}
RING = {"set_tweak": "sound", "value": "ring"}


class _Rule(NamedTuple):
    """A row of the table."""

    rule_id: str
    conditions: tuple[Mapping[str, Any], ...]
    actions: tuple[str | Mapping[str, Any], ...]
    enabled: bool = True


def _matches(key: str, pattern: Any) -> Mapping[str, Any]:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def _is(key: str, value: Any) -> Mapping[str, Any]:
    return {"kind": "event_property_is", "key": key, "value": value}


def _contains(key: str, value: Any) -> Mapping[str, Any]:
    return {"kind": "event_property_contains", "key": key, "value": value}


def _follows_thread(subscribed: bool) -> Mapping[str, Any]:
    return {"kind": THREAD_SUBSCRIPTION, "subscribed": subscribed}


_TWO_MEMBERS = {"kind": "room_member_count", "is": "2"}
_MAY_MENTION_ROOM = {"kind": "sender_notification_permission", "key": "room"}
_INVITE_FOR_ME = (
    _matches("type", "m.room.member"),
    _matches("content.membership", "invite"),
    _matches("state_key", _USER_ID),
)

_TABLE: Mapping[str, tuple[_Rule, ...]] = {
    "override": (
        _Rule(MASTER, (), (), enabled=False),
        _Rule(".m.rule.suppress_notices", (_matches("content.msgtype", "m.notice"),), ()),
        _Rule(".m.rule.invite_for_me", _INVITE_FOR_ME, (NOTIFY, DEFAULT_SOUND)),
        _Rule(".m.rule.member_event", (_matches("type", "m.room.member"),), ()),
        _Rule(
            ".m.rule.is_user_mention",
            (_contains(r"content.m\.mentions.user_ids", _USER_ID),),
            (NOTIFY, DEFAULT_SOUND, HIGHLIGHT),
        ),
        _Rule(
            ".m.rule.is_room_mention",
            (_is(r"content.m\.mentions.room", True), _MAY_MENTION_ROOM),
            (NOTIFY, HIGHLIGHT),
        ),
        _Rule(
            ".m.rule.tombstone",
            (_matches("type", "m.room.tombstone"), _matches("state_key", "")),
            (NOTIFY, HIGHLIGHT),
        ),
        _Rule(".m.rule.reaction", (_matches("type", "m.reaction"),), ()),
        _Rule(
            ".m.rule.room.server_acl",
            (_matches("type", "m.room.server_acl"), _matches("state_key", "")),
            (),
        ),
        _Rule(".m.rule.suppress_edits", (_is(r"content.m\.relates_to.rel_type", "m.replace"),), ()),
    ),
    "content": (),
    POSTCONTENT: (
        _Rule(UNSUBSCRIBED_THREAD, (_follows_thread(False),), (), enabled=False),
        _Rule(SUBSCRIBED_THREAD, (_follows_thread(True),), (NOTIFY, DEFAULT_SOUND), enabled=False),
    ),
    "room": (),
    "sender": (),
    "underride": (
        _Rule(".m.rule.call", (_matches("type", "m.call.invite"),), (NOTIFY, RING)),
        _Rule(
            ".m.rule.encrypted_room_one_to_one",
            (_TWO_MEMBERS, _matches("type", "m.room.encrypted")),
            (NOTIFY, DEFAULT_SOUND),
        ),
        _Rule(
            ".m.rule.room_one_to_one",
            (_TWO_MEMBERS, _matches("type", "m.room.message")),
            (NOTIFY, DEFAULT_SOUND),
        ),
        _Rule(".m.rule.message", (_matches("type", "m.room.message"),), (NOTIFY,)),
        _Rule(".m.rule.encrypted", (_matches("type", "m.room.encrypted"),), (NOTIFY,)),
    ),
}

KINDS = tuple(_TABLE)
"""The kinds of rules in the order in which they are checked."""


def default_ruleset(user_id: str) -> Ruleset:
    """Return the rules of a user who has changed nothing; the caller may change the result."""
    return {"global": {kind: [_wire(rule, user_id) for rule in rules] for kind, rules in _TABLE.items()}}


def _wire(rule: _Rule, user_id: str) -> dict[str, Any]:
    """Return a rule of the table in the form of the API."""
    return {
        "rule_id": rule.rule_id,
        "default": True,
        "enabled": rule.enabled,
        "conditions": [
            {name: user_id if value is _USER_ID else value for name, value in condition.items()}
            for condition in rule.conditions
        ],
        "actions": [action if isinstance(action, str) else dict(action) for action in rule.actions],
    }
