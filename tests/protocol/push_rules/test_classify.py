"""Classifying an event once gives every reader what the predefined rules give when they are evaluated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.push_rules.classify import MAX_MENTIONS, NOTIFYING, SILENT, EventNotice, classify
from hamrasan.protocol.push_rules.conditions import DEFAULT_NOTIFICATION_LEVELS, RuleContext
from hamrasan.protocol.push_rules.defaults import default_ruleset
from hamrasan.protocol.push_rules.evaluate import compile_ruleset, evaluate

USERS = ["@a:example.org", "@b:example.org", "@c:example.org"]
COMPILED = {user_id: compile_ruleset(default_ruleset(user_id)) for user_id in USERS}

junk = st.sampled_from(
    [None, True, False, 0, 1, "", "m.notice", "invite", [], {}, ["@a:example.org"], {"room": True}]
)
types = st.sampled_from(
    [
        "m.room.message",
        "M.Room.Message",
        "m.room.encrypted",
        "m.call.invite",
        "m.room.member",
        "M.ROOM.MEMBER",
        "m.room.tombstone",
        "m.reaction",
        "m.room.server_acl",
        "m.sticker",
        "m.room.name",
        "",
    ]
)
mentions = st.fixed_dictionaries(
    {},
    optional={
        "user_ids": st.lists(st.sampled_from(USERS) | junk, max_size=4) | junk,
        "room": st.booleans() | junk,
    },
)
relations = st.fixed_dictionaries(
    {},
    optional={"rel_type": st.sampled_from(["m.replace", "m.thread", "M.REPLACE"]) | junk, "event_id": junk},
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "msgtype": st.sampled_from(["m.text", "m.notice", "M.NOTICE", "m.image"]) | junk,
        "membership": st.sampled_from(["invite", "INVITE", "join"]) | junk,
        "m.mentions": mentions | junk,
        "m.relates_to": relations | junk,
        "body": st.sampled_from(["@room", "a", "@a:example.org"]) | junk,
    },
)


def applied(
    notice: EventNotice, reader: str, sender: str, sender_level: float, levels: dict[str, int]
) -> tuple[bool, bool]:
    """The caller's part, as `EventNotice` describes it: (notify, highlight)."""
    if reader == sender:
        return (False, False)
    if reader == notice.invites:
        return (True, False)
    if reader in notice.mentions:
        return (True, True)
    powerful = sender_level >= levels.get("room", DEFAULT_NOTIFICATION_LEVELS["room"])
    if notice.highlights_room and (powerful or not notice.needs_room_power):
        return (True, True)
    return (notice.notifies, False)


@given(
    event_type=types,
    state_key=st.none() | st.just("") | st.sampled_from(USERS),
    content=contents,
    sender=st.sampled_from(USERS),
    sender_level=st.sampled_from([0, 49, 50, 100]),
    levels=st.sampled_from([{}, {"room": 0}, {"room": 100}]),
    member_count=st.sampled_from([1, 2, 3, 100]),
)
def test_it_agrees_with_evaluation(
    event_type: str,
    state_key: str | None,
    content: dict[str, Any],
    sender: str,
    sender_level: int,
    levels: dict[str, int],
    member_count: int,
) -> None:
    event = {"type": event_type, "sender": sender, "room_id": "!r:example.org", "content": content}
    if state_key is not None:
        event["state_key"] = state_key
    notice = classify(event_type, state_key, content, sender)
    for reader in USERS:
        context = RuleContext(reader, member_count, sender_level, "a", levels)
        actions = evaluate(COMPILED[reader], event, context)
        assert applied(notice, reader, sender, sender_level, levels) == (actions.notify, actions.highlight)


def test_a_plain_message_makes_nothing_new() -> None:
    assert classify("m.room.message", None, {"msgtype": "m.text", "body": "hi"}, "@a:x") is NOTIFYING
    assert classify("m.room.name", "", {"name": "x"}, "@a:x") is SILENT


def test_mentions_are_bounded_single_and_without_the_sender() -> None:
    user_ids = ["@a:x", "@b:x", "@b:x", 7, *(f"@{n}:x" for n in range(2 * MAX_MENTIONS))]
    mentioned = classify("m.room.message", None, {"m.mentions": {"user_ids": user_ids}}, "@a:x").mentions
    assert mentioned[:2] == ("@b:x", "@0:x")
    assert len(mentioned) == MAX_MENTIONS


@pytest.mark.parametrize(
    ("event_type", "state_key", "content", "notice"),
    [
        ("m.room.message", None, {"m.mentions": {"room": True}}, EventNotice(True, True, True)),
        ("m.room.tombstone", "", {}, EventNotice(True, True, False)),
        ("m.room.tombstone", "", {"m.mentions": {"room": True}}, EventNotice(True, True, False)),
        ("m.room.member", "@b:x", {"membership": "invite"}, EventNotice(False, invites="@b:x")),
    ],
)
def test_what_concerns_the_room_or_one_user(
    event_type: str, state_key: str | None, content: dict[str, Any], notice: EventNotice
) -> None:
    assert classify(event_type, state_key, content, "@a:x") == notice
