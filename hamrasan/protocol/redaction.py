"""Redaction: what is left of an event when its sender or a moderator takes it back (each room version's "Redactions").

The same algorithm decides what an event's id and signature cover, so it must agree to the byte between servers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hamrasan.protocol.room_versions import RedactionRules, RoomVersion

_TOP_LEVEL = frozenset(
    {
        "event_id",
        "type",
        "room_id",
        "sender",
        "state_key",
        "content",
        "hashes",
        "signatures",
        "depth",
        "prev_events",
        "auth_events",
        "origin_server_ts",
    }
)
_TOP_LEVEL_BEFORE_V11 = _TOP_LEVEL | {"origin", "membership", "prev_state"}

_POWER_LEVELS = (
    "ban",
    "events",
    "events_default",
    "kick",
    "redact",
    "state_default",
    "users",
    "users_default",
)

_RedactContent = Callable[[Mapping[str, Any]], dict[str, Any]]


def redact(pdu: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
    """Return what survives of an event; `pdu` is not changed, and redacting twice changes nothing more."""
    top_level, by_type = _plan(version.redaction)
    redacted = {key: value for key, value in pdu.items() if key in top_level}
    content = redacted.get("content")
    if content is not None:
        redact_type = by_type.get(pdu.get("type", ""))
        redacted["content"] = redact_type(content) if redact_type and isinstance(content, Mapping) else {}
    return redacted


def keeps_content(type: str, version: RoomVersion) -> bool:
    """Return whether anything may survive of the content of an event of this type."""
    return type in _plan(version.redaction)[1]


def redact_content(type: str, content: Mapping[str, Any], version: RoomVersion) -> dict[str, Any]:
    """Return what survives of the content of an event of this type."""
    redact_type = _plan(version.redaction)[1].get(type)
    return redact_type(content) if redact_type else {}


@cache
def _plan(rules: RedactionRules) -> tuple[frozenset[str], Mapping[str, _RedactContent]]:
    """Turn the rules into the keys kept at the top level, and for each type what redacts its content."""
    top_level = _TOP_LEVEL_BEFORE_V11 if rules.keeps_origin_membership_prev_state else _TOP_LEVEL
    by_type: dict[str, _RedactContent] = {
        "m.room.member": _member(rules),
        "m.room.create": dict if rules.keeps_all_create_content else _keep("creator"),
        "m.room.join_rules": _keep("join_rule", *(["allow"] if rules.keeps_join_rules_allow else [])),
        "m.room.power_levels": _keep(
            *_POWER_LEVELS, *(["invite"] if rules.keeps_power_levels_invite else [])
        ),
        "m.room.history_visibility": _keep("history_visibility"),
    }
    if rules.keeps_aliases:
        by_type["m.room.aliases"] = _keep("aliases")
    if rules.keeps_redacts_in_content:
        by_type["m.room.redaction"] = _keep("redacts")
    return top_level, by_type


def _keep(*keys: str) -> _RedactContent:
    """Return a function that keeps these keys of a content."""

    def keep(content: Mapping[str, Any]) -> dict[str, Any]:
        return {key: content[key] for key in keys if key in content}

    return keep


def _member(rules: RedactionRules) -> _RedactContent:
    """Return what redacts the content of `m.room.member`."""
    keep = _keep(
        "membership", *(["join_authorised_via_users_server"] if rules.keeps_member_authorising_user else [])
    )
    if not rules.keeps_third_party_invite_signed:
        return keep
    keep_signed = _keep("signed")

    def keep_with_signed(content: Mapping[str, Any]) -> dict[str, Any]:
        kept = keep(content)
        invite = content.get("third_party_invite")
        if isinstance(invite, Mapping):
            # Without `signed` an empty object stays; the specification leaves it open, and most servers of today's
            # rooms compute event ids this way.
            kept["third_party_invite"] = keep_signed(invite)
        return kept

    return keep_with_signed
