from __future__ import annotations

from typing import Any

import pytest

from tests.reading import V1, get_v1, leave, room_path, room_with_visibility, walk
from tests.running import Person, Running, refused

LONG_AGO, FAR_AHEAD = 1, 4_000_000_000_000


def test_the_nearest_event_on_either_side(server: Running) -> None:
    alice = server.register()
    room_id = alice.create_room()
    event_id = alice.send(room_id, "hello")
    path = room_path(room_id, "timestamp_to_event")
    events = walk(alice, room_id, "f")
    last = {"event_id": event_id, "origin_server_ts": events[-1]["origin_server_ts"]}
    assert get_v1(alice, path, ts=FAR_AHEAD, dir="b") == last
    assert get_v1(alice, path, ts=last["origin_server_ts"], dir="b") == last
    first = get_v1(alice, path, ts=LONG_AGO, dir="f")
    assert first["event_id"] == events[0]["event_id"]
    assert first["origin_server_ts"] == events[0]["origin_server_ts"]
    refused(alice.request("GET", V1 + path, ts=FAR_AHEAD, dir="f"), 404, "M_NOT_FOUND")
    refused(alice.request("GET", V1 + path, ts=LONG_AGO, dir="b"), 404, "M_NOT_FOUND")


def later_than(alice: Person, room_id: str, ts: int) -> Any:
    """Send messages until one has a later time than `ts`, and return that one."""
    while True:
        event = alice.get(room_path(room_id, "event", alice.send(room_id, "hidden before")))
        if event["origin_server_ts"] > ts:
            return event


def test_hidden_events_are_passed_over(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = room_with_visibility(alice, "joined", preset="public_chat")
    opened = walk(alice, room_id)[0]["origin_server_ts"]
    hidden = later_than(alice, room_id, opened)
    bob.join(room_id)
    seen = alice.send(room_id, "seen")
    path = room_path(room_id, "timestamp_to_event")
    joined = [event["event_id"] for event in walk(bob, room_id, "f") if event["sender"] == bob.user_id]
    assert get_v1(alice, path, ts=hidden["origin_server_ts"], dir="f")["event_id"] == hidden["event_id"]
    assert get_v1(bob, path, ts=hidden["origin_server_ts"], dir="f")["event_id"] == joined[0]
    assert get_v1(bob, path, ts=hidden["origin_server_ts"], dir="b")["origin_server_ts"] == opened
    leave(bob, room_id)
    alice.send(room_id, "hidden after")
    last = get_v1(bob, path, ts=FAR_AHEAD, dir="b")["event_id"]
    assert last == walk(bob, room_id)[0]["event_id"]
    assert last != seen


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({"ts": 1}, "M_MISSING_PARAM"),
        ({"dir": "f"}, "M_MISSING_PARAM"),
        ({"ts": "noon", "dir": "f"}, "M_INVALID_PARAM"),
        ({"ts": 1, "dir": "up"}, "M_INVALID_PARAM"),
    ],
)
def test_what_cannot_be_asked(server: Running, query: dict[str, Any], errcode: str) -> None:
    alice = server.register()
    path = V1 + room_path(alice.create_room(), "timestamp_to_event")
    refused(alice.request("GET", path, **query), 400, errcode)


def test_a_closed_room_tells_no_times(server: Running) -> None:
    alice, eve = server.register(), server.register()
    path = V1 + room_path(alice.create_room(), "timestamp_to_event")
    refused(eve.request("GET", path, ts=1, dir="f"), 403, "M_FORBIDDEN")
