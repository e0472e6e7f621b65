"""Filters: reading them, and what they let through."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.filters import (
    DEFAULT_EVENT_LIMIT,
    MAX_ENTRY_LENGTH,
    MAX_EVENT_LIMIT,
    MAX_FILTER_ENTRIES,
    EventFormat,
    RoomEventFilter,
    parse_filter,
    parse_room_event_filter,
)

ROOM, OTHER_ROOM = "!one:example.org", "!two:example.org"
ALICE, BOB = "@alice:example.org", "@bob:example.org"


def lets_through(
    value: dict[str, Any],
    event_type: str = "m.room.message",
    sender: str | None = ALICE,
    room_id: str = ROOM,
    has_url: bool = False,
) -> bool:
    return parse_room_event_filter(value).matches_event(event_type, sender, room_id, has_url)


def test_an_empty_filter_lets_everything_through_untested() -> None:
    whole = parse_filter({})
    assert whole.room.timeline.matches_everything
    assert whole.presence.matches_everything
    assert whole.room.matches_every_room
    assert whole.keeps_stored_bytes
    assert not whole.room.include_leave
    assert not whole.room.timeline.lazy_load_members
    assert lets_through({})


@pytest.mark.parametrize(
    "value",
    [
        [],
        None,
        "x",
        {"room": []},
        {"room": None},
        {"event_format": "xml"},
        {"event_fields": "type"},
        {"event_fields": [1]},
        {"presence": {"types": "m.presence"}},
        {"presence": {"types": [None]}},
        {"presence": {"limit": "10"}},
        {"presence": {"limit": True}},
        {"presence": {"limit": 1.5}},
        {"presence": {"limit": -1}},
        {"presence": {"senders": ["alice"]}},
        {"presence": {"not_senders": [ROOM]}},
        {"room": {"rooms": [ALICE]}},
        {"room": {"timeline": {"not_rooms": ["one"]}}},
        {"room": {"timeline": {"contains_url": 1}}},
        {"room": {"state": {"lazy_load_members": "yes"}}},
        {"room": {"include_leave": 0}},
        {"presence": {"types": ["x"] * (MAX_FILTER_ENTRIES + 1)}},
        {"event_fields": ["x" * (MAX_ENTRY_LENGTH + 1)]},
    ],
)
def test_a_wrong_filter_is_refused(value: Any) -> None:
    with pytest.raises(MatrixError) as caught:
        parse_filter(value)
    assert (caught.value.status, caught.value.errcode) == (400, "M_BAD_JSON")


def test_unknown_keys_are_ignored() -> None:
    assert parse_filter({"org.example": 1, "room": {"timeline": {"x": []}}}).room.timeline.matches_everything


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ({"types": ["m.room.message"]}, True),
        ({"types": ["m.room.*"]}, True),
        ({"types": ["m.*.message"]}, True),
        ({"types": ["*"]}, True),
        ({"types": ["m.room.name", "m.x*"]}, False),
        ({"types": []}, False),
        ({"not_types": ["m.room.name"]}, True),
        ({"not_types": ["m.room.*"]}, False),
        ({"not_types": ["*"]}, False),
        ({"types": ["m.room.message"], "not_types": ["*.message"]}, False),
        ({"senders": [ALICE]}, True),
        ({"senders": [BOB]}, False),
        ({"senders": []}, False),
        ({"not_senders": [BOB]}, True),
        ({"senders": [ALICE], "not_senders": [ALICE]}, False),
        ({"rooms": [ROOM]}, True),
        ({"rooms": [OTHER_ROOM]}, False),
        ({"not_rooms": [OTHER_ROOM]}, True),
        ({"rooms": [ROOM], "not_rooms": [ROOM]}, False),
        ({"contains_url": False}, True),
        ({"contains_url": True}, False),
        ({"types": ["m.room.message"], "senders": [BOB]}, False),
    ],
)
def test_each_condition(value: dict[str, Any], passes: bool) -> None:
    assert lets_through(value) is passes


def test_events_with_a_url() -> None:
    assert lets_through({"contains_url": True}, has_url=True)
    assert not lets_through({"contains_url": False}, has_url=True)


def test_what_has_no_sender_is_in_no_list_of_senders() -> None:
    assert lets_through({"not_senders": [BOB]}, "m.receipt", None)
    assert not lets_through({"senders": [ALICE]}, "m.receipt", None)


@pytest.mark.parametrize(
    "value",
    [
        {"types": []},
        {"not_types": ["x", "*"]},
        {"senders": []},
        {"senders": [ALICE], "not_senders": [ALICE]},
        {"rooms": []},
    ],
)
def test_sections_that_nothing_passes_are_known(value: dict[str, Any]) -> None:
    section = parse_room_event_filter(value)
    assert section.matches_nothing
    assert not section.matches_everything


@pytest.mark.parametrize(
    "value",
    [
        {"types": ["m.room.message"]},
        {"not_types": ["m.x"]},
        {"not_senders": [BOB]},
        {"not_rooms": [ROOM]},
        {"contains_url": False},
    ],
)
def test_sections_that_must_be_asked(value: dict[str, Any]) -> None:
    section = parse_room_event_filter(value)
    assert not section.matches_everything
    assert not section.matches_nothing


def test_limits_and_flags_do_not_need_a_test_of_each_event() -> None:
    section = parse_room_event_filter(
        {"limit": 5, "lazy_load_members": True, "include_redundant_members": True, "types": ["*"]}
    )
    assert section.matches_everything
    assert section.lazy_load_members
    assert section.include_redundant_members


@pytest.mark.parametrize(
    ("value", "limit"),
    [({}, DEFAULT_EVENT_LIMIT), ({"limit": 0}, 1), ({"limit": 7}, 7), ({"limit": 2**80}, MAX_EVENT_LIMIT)],
)
def test_limit(value: dict[str, Any], limit: int) -> None:
    assert parse_room_event_filter(value).effective_limit() == limit


def test_the_sections_of_a_filter() -> None:
    whole = parse_filter(
        {
            "event_format": "federation",
            "account_data": {"not_types": ["m.push_rules"]},
            "room": {
                "not_rooms": [OTHER_ROOM],
                "include_leave": True,
                "timeline": {"types": ["m.room.message"], "unread_thread_notifications": True},
                "state": {"lazy_load_members": True},
            },
        }
    )
    assert whole.event_format is EventFormat.FEDERATION
    assert not whole.keeps_stored_bytes
    assert not whole.account_data.matches("m.push_rules", None)
    assert whole.account_data.matches("m.direct", None)
    assert whole.room.matches_room(ROOM)
    assert not whole.room.matches_room(OTHER_ROOM)
    assert whole.room.include_leave
    assert whole.room.timeline.unread_thread_notifications
    assert whole.room.state.lazy_load_members
    assert isinstance(whole.room.ephemeral, RoomEventFilter)


EVENT = {
    "type": "m.room.message",
    "sender": ALICE,
    "content": {
        "body": "hi",
        "m.relates_to": {"rel_type": "m.thread", "event_id": "$x"},
        "a": {"b": 1, "c": 2},
    },
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["type"], {"type": "m.room.message"}),
        (["content.body", "sender"], {"content": {"body": "hi"}, "sender": ALICE}),
        ([r"content.m\.relates_to.rel_type"], {"content": {"m.relates_to": {"rel_type": "m.thread"}}}),
        (["content.m.relates_to", "nothing", "type.deeper"], {}),
        (["content.a.b", "content.a"], {"content": {"a": {"b": 1, "c": 2}}}),
        (["content.a", "content.a.b"], {"content": {"a": {"b": 1, "c": 2}}}),
        ([], {}),
    ],
)
def test_event_fields(fields: list[str], expected: dict[str, Any]) -> None:
    before = repr(EVENT)
    assert parse_filter({"event_fields": fields}).apply_event_fields(EVENT) == expected
    assert repr(EVENT) == before


def test_without_event_fields_the_event_is_returned_as_it_is() -> None:
    assert parse_filter({}).apply_event_fields(EVENT) is EVENT
