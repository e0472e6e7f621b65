"""Redaction in every room version (each version's "Redactions")."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.redaction import redact, redact_content
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion, room_version

ALL_VERSIONS = pytest.mark.parametrize(
    "version", ROOM_VERSIONS.values(), ids=lambda version: f"v{version.id}"
)

ALWAYS_KEPT = {
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
KEPT_UNTIL_V10 = {"origin", "membership", "prev_state"}
NEVER_KEPT = {"unsigned", "redacts", "age", "org.example.custom"}

CREATE = {"creator": "@a:x", "room_version": "9", "m.federate": False, "type": "m.space", "org.example": 1}
JOIN_RULES = {"join_rule": "restricted", "allow": [{"type": "m.room_membership"}], "org.example": 1}
POWER_LEVELS = {
    "ban": 50,
    "events": {"m.room.name": 50},
    "events_default": 0,
    "invite": 10,
    "kick": 50,
    "notifications": {"room": 50},
    "redact": 50,
    "state_default": 50,
    "users": {"@a:x": 100},
    "users_default": 0,
}
SIGNED = {"mxid": "@b:x", "token": "t", "signatures": {}}
MEMBER = {
    "membership": "invite",
    "displayname": "B",
    "avatar_url": "mxc://x/y",
    "reason": "hello",
    "join_authorised_via_users_server": "@a:x",
    "third_party_invite": {"display_name": "b...@x", "signed": SIGNED},
}

# For each type: the content, and what each run of versions keeps of it, by the oldest version of the run.
KEPT_CONTENT: dict[str, tuple[dict[str, Any], dict[int, dict[str, Any]]]] = {
    "m.room.create": (CREATE, {1: {"creator": "@a:x"}, 11: CREATE}),
    "m.room.join_rules": (
        JOIN_RULES,
        {1: {"join_rule": "restricted"}, 8: {k: JOIN_RULES[k] for k in ("join_rule", "allow")}},
    ),
    "m.room.power_levels": (
        POWER_LEVELS,
        {
            1: {k: v for k, v in POWER_LEVELS.items() if k not in {"invite", "notifications"}},
            11: {k: v for k, v in POWER_LEVELS.items() if k != "notifications"},
        },
    ),
    "m.room.member": (
        MEMBER,
        {
            1: {"membership": "invite"},
            9: {"membership": "invite", "join_authorised_via_users_server": "@a:x"},
            11: {
                "membership": "invite",
                "join_authorised_via_users_server": "@a:x",
                "third_party_invite": {"signed": SIGNED},
            },
        },
    ),
    "m.room.aliases": ({"aliases": ["#a:x"], "org.example": 1}, {1: {"aliases": ["#a:x"]}, 6: {}}),
    "m.room.history_visibility": (
        {"history_visibility": "joined", "org.example": 1},
        {1: {"history_visibility": "joined"}},
    ),
    "m.room.redaction": ({"redacts": "$x", "reason": "spam"}, {1: {}, 11: {"redacts": "$x"}}),
    "m.room.message": (
        {"msgtype": "m.text", "body": "hello", "membership": "join", "creator": "@a:x"},
        {1: {}},
    ),
    "m.room.name": ({"name": "Tea"}, {1: {}}),
    "m.room.server_acl": ({"allow": ["*"]}, {1: {}}),
    "m.room.third_party_invite": ({"public_key": "abc", "key_validity_url": "x"}, {1: {}}),
}


def event(type: str, content: Any, **more: Any) -> dict[str, Any]:
    keys = ALWAYS_KEPT | KEPT_UNTIL_V10 | NEVER_KEPT
    return {**{key: f"value of {key}" for key in keys}, "type": type, "content": content, **more}


def expected_content(type: str, version: RoomVersion) -> dict[str, Any]:
    runs = KEPT_CONTENT[type][1]
    return runs[max(first for first in runs if first <= int(version.id))]


@ALL_VERSIONS
@pytest.mark.parametrize("type", KEPT_CONTENT)
def test_each_version_keeps_of_each_type_what_it_says(version: RoomVersion, type: str) -> None:
    content = KEPT_CONTENT[type][0]
    assert redact_content(type, content, version) == expected_content(type, version)
    assert redact(event(type, content), version)["content"] == expected_content(type, version)


@ALL_VERSIONS
def test_each_version_keeps_its_top_level_keys(version: RoomVersion) -> None:
    kept = ALWAYS_KEPT | (KEPT_UNTIL_V10 if int(version.id) < 11 else set())
    before = event("m.room.message", {"body": "hello"})
    after = redact(before, version)
    assert set(after) == kept
    assert {key: after[key] for key in kept - {"content"}} == {key: before[key] for key in kept - {"content"}}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("1", "2", set()),
        ("2", "3", set()),
        ("3", "4", set()),
        ("4", "5", set()),
        ("5", "6", {"m.room.aliases"}),
        ("6", "7", set()),
        ("7", "8", {"m.room.join_rules"}),
        ("8", "9", {"m.room.member"}),
        ("9", "10", set()),
        ("10", "11", {"m.room.create", "m.room.power_levels", "m.room.member", "m.room.redaction"}),
        ("11", "12", set()),
    ],
)
def test_a_version_differs_from_the_one_before_in_these_types_only(
    old: str, new: str, changed: set[str]
) -> None:
    differing = {
        type
        for type, (content, _) in KEPT_CONTENT.items()
        if redact_content(type, content, room_version(old))
        != redact_content(type, content, room_version(new))
    }
    assert differing == changed


@ALL_VERSIONS
def test_the_event_itself_is_not_changed(version: RoomVersion) -> None:
    before = event("m.room.member", {**MEMBER, "third_party_invite": {"display_name": "b", "signed": SIGNED}})
    redacted = redact(before, version)
    assert before == event(
        "m.room.member", MEMBER | {"third_party_invite": {"display_name": "b", "signed": SIGNED}}
    )
    assert redacted["content"] is not before["content"]


@ALL_VERSIONS
@pytest.mark.parametrize("content", [None, [], "text", 7])
def test_a_content_that_is_no_object_is_emptied(version: RoomVersion, content: Any) -> None:
    after = redact(event("m.room.member", content), version)
    assert after["content"] == (None if content is None else {})


@ALL_VERSIONS
def test_absent_keys_stay_absent(version: RoomVersion) -> None:
    assert redact({"type": "m.room.message"}, version) == {"type": "m.room.message"}
    assert redact({}, version) == {}


def test_a_third_party_invite_without_signature_leaves_an_empty_object_from_version_11_on() -> None:
    content = {"membership": "join", "third_party_invite": {"display_name": "b"}}
    assert redact_content("m.room.member", content, room_version("10")) == {"membership": "join"}
    assert redact_content("m.room.member", content, room_version("11")) == {
        "membership": "join",
        "third_party_invite": {},
    }
    content["third_party_invite"] = "no object"
    assert redact_content("m.room.member", content, room_version("11")) == {"membership": "join"}


keys = st.sampled_from(sorted({key for content, _ in KEPT_CONTENT.values() for key in content} | {"signed"}))
contents = st.dictionaries(
    keys, st.integers() | st.dictionaries(st.sampled_from(["signed", "display_name"]), st.text(max_size=3))
)
events = st.dictionaries(
    st.sampled_from(sorted(ALWAYS_KEPT | KEPT_UNTIL_V10 | NEVER_KEPT)), st.text(max_size=3)
).flatmap(
    lambda top: st.builds(
        lambda type, content: {**top, "type": type, "content": content},
        st.sampled_from(sorted(KEPT_CONTENT)),
        contents,
    )
)


@given(events, st.sampled_from(sorted(ROOM_VERSIONS)))
def test_redacting_twice_changes_nothing_more_and_adds_nothing(pdu: dict[str, Any], version_id: str) -> None:
    version = room_version(version_id)
    once = redact(pdu, version)
    assert redact(once, version) == once
    assert set(once) <= set(pdu)
    assert set(once["content"]) <= set(pdu["content"])
