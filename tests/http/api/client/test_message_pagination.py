from __future__ import annotations

from typing import Any

import pytest

from hamrasan.rooms import timeline
from tests.reading import (
    ban,
    bodies,
    ignore,
    leave,
    redact,
    room_path,
    room_with_visibility,
    set_state,
    walk,
    with_filter,
)
from tests.running import Person, Running, refused


def room_of_ten(alice: Person) -> str:
    """Create a room with ten messages, "0" to "9"."""
    room_id = alice.create_room(preset="public_chat")
    for number in range(10):
        alice.send(room_id, str(number))
    return room_id


@pytest.mark.parametrize("limit", [1, 3, 4, 1000])
def test_pages_join_without_gap_or_overlap_in_both_directions(server: Running, limit: int) -> None:
    alice = server.register()
    room_id = room_of_ten(alice)
    backwards = walk(alice, room_id, "b", limit=limit)
    forwards = walk(alice, room_id, "f", limit=limit)
    assert bodies(backwards) == [str(number) for number in reversed(range(10))]
    assert [e["event_id"] for e in forwards] == [e["event_id"] for e in reversed(backwards)]
    assert (forwards[0]["type"], forwards[0]["room_id"]) == ("m.room.create", room_id)


def test_there_are_ten_events_where_the_client_does_not_say(server: Running) -> None:
    alice = server.register()
    room_id = room_of_ten(alice)
    page = alice.get(room_path(room_id, "messages"), dir="b")
    assert len(page["chunk"]) == 10
    assert page["start"]
    by_filter = alice.get(room_path(room_id, "messages"), dir="b", filter=with_filter(limit=2))
    assert bodies(by_filter["chunk"]) == ["9", "8"]


def test_the_last_page_has_no_end_even_if_it_is_full(server: Running) -> None:
    alice = server.register()
    room_id = room_of_ten(alice)
    count = len(walk(alice, room_id))
    path = room_path(room_id, "messages")
    assert "end" not in alice.get(path, dir="b", limit=count)
    assert "end" in alice.get(path, dir="b", limit=count - 1)
    assert "end" not in alice.get(path, dir="f", limit=count)
    assert "end" in alice.get(path, dir="f", limit=count - 1)


def test_limit_zero_still_makes_progress(server: Running) -> None:
    alice = server.register()
    room_id = room_of_ten(alice)
    assert bodies(alice.get(room_path(room_id, "messages"), dir="b", limit=0)["chunk"]) == ["9"]


def test_paging_goes_on_where_a_sync_stopped(server: Running) -> None:
    alice = server.register()
    room_id = room_of_ten(alice)
    first = alice.sync(filter=with_filter(room={"timeline": {"limit": 3}}))
    shown = first["rooms"]["join"][room_id]["timeline"]
    assert bodies(shown["events"]) == ["7", "8", "9"]
    alice.send(room_id, "later")

    before = walk(alice, room_id, "b", **{"from": shown["prev_batch"]})
    assert bodies(before) == [str(number) for number in reversed(range(7))]
    after = walk(alice, room_id, "f", **{"from": first["next_batch"]})
    assert bodies(after) == ["later"]
    until = walk(alice, room_id, "b", **{"from": first["next_batch"]})
    assert bodies(until)[0] == "9"


def test_paging_stops_at_to(server: Running) -> None:
    alice = server.register()
    room_id = room_of_ten(alice)
    path = room_path(room_id, "messages")
    middle = alice.get(path, dir="b", limit=4)["end"]
    assert bodies(walk(alice, room_id, "b", to=middle)) == ["9", "8", "7", "6"]
    assert bodies(walk(alice, room_id, "b", to=middle, limit=3)) == ["9", "8", "7", "6"]
    assert bodies(walk(alice, room_id, "f", to=middle))[-1] == "5"
    assert walk(alice, room_id, "f", **{"from": middle, "to": middle}) == []


def test_a_filter_chooses_events(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = room_of_ten(alice)
    bob.join(room_id)
    bob.send(room_id, "by bob")
    alice.send(room_id, "photo", url="mxc://hamrasan.test/x", msgtype="m.image")
    wanted: list[tuple[dict[str, Any], list[str]]] = [
        ({"senders": [bob.user_id], "types": ["m.room.message"]}, ["by bob"]),
        ({"contains_url": True}, ["photo"]),
        ({"not_senders": [alice.user_id], "types": ["m.room.*"]}, ["by bob"]),
        ({"types": []}, []),
        ({"not_rooms": [room_id]}, []),
        ({"senders": [alice.user_id], "not_types": ["m.room.message"]}, []),
    ]
    for parts, expected in wanted:
        assert bodies(walk(alice, room_id, filter=with_filter(**parts))) == expected, parts


def test_a_filter_that_few_events_pass_makes_progress_in_bounded_steps(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = server.register()
    room_id = alice.create_room()
    alice.send(room_id, "needle", "com.example.needle")
    for number in range(20):
        alice.send(room_id, str(number))
    monkeypatch.setattr(timeline, "MAX_SCANNED", 6)
    monkeypatch.setattr(timeline, "CHUNK", 4)
    path, query = room_path(room_id, "messages"), {"filter": with_filter(types=["com.example.needle"])}

    page = alice.get(path, dir="b", **query)
    assert page["chunk"] == []
    assert "end" in page
    assert bodies(walk(alice, room_id, **query)) == ["needle"]
    assert bodies(walk(alice, room_id, "f", **query)) == ["needle"]


def test_lazy_loading_brings_the_senders_and_nobody_else(server: Running) -> None:
    alice, bob, carol = server.register(), server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    carol.join(room_id)
    bob.send(room_id, "hello")
    path, lazy = room_path(room_id, "messages"), with_filter(lazy_load_members=True)

    page = alice.get(path, dir="b", limit=1, filter=lazy)
    assert [(event["type"], event["state_key"]) for event in page["state"]] == [
        ("m.room.member", bob.user_id)
    ]
    page = alice.get(path, dir="b", limit=1)
    assert "state" not in page
    page = alice.get(path, dir="b", limit=100, filter=lazy)
    assert {event["state_key"] for event in page["state"]} == {
        alice.user_id,
        bob.user_id,
        carol.user_id,
    }


def test_members_are_shown_as_they_were_then(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    bob.send(room_id, "then")
    middle = bob.sync()["next_batch"]
    bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob of today"})
    leave(bob, room_id)
    lazy = with_filter(lazy_load_members=True, types=["m.room.message"])
    page = alice.get(room_path(room_id, "messages"), dir="b", filter=lazy, **{"from": middle})
    assert bodies(page["chunk"]) == ["then"]
    assert page["state"][0]["content"] == {"membership": "join"}


def test_messages_of_ignored_users_are_left_out_but_not_their_state(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    alice.send(room_id, "mine")
    bob.send(room_id, "noise")
    assert bodies(walk(alice, room_id)) == ["noise", "mine"]
    ignore(alice, bob)
    events = walk(alice, room_id)
    assert bodies(events) == ["mine"]
    assert bob.user_id in {event.get("state_key") for event in events}
    ignore(alice)
    assert bodies(walk(alice, room_id)) == ["noise", "mine"]


def test_a_redacted_message_is_shown_without_its_content(server: Running) -> None:
    alice = server.register()
    room_id = alice.create_room()
    event_id = alice.send(room_id, "regretted")
    redaction = redact(alice, room_id, event_id)
    events = {event["event_id"]: event for event in walk(alice, room_id)}
    assert events[event_id]["content"] == {}
    assert events[event_id]["unsigned"]["redacted_because"]["event_id"] == redaction


def test_who_left_pages_up_to_the_leaving(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    alice.send(room_id, "before")
    leave(bob, room_id)
    alice.send(room_id, "after")
    here = alice.sync()["next_batch"]
    set_state(alice, room_id, "m.room.topic", {"topic": "secret"})

    for query in ({}, {"from": here}):
        events = walk(bob, room_id, **query)
        assert events[0]["content"] == {"membership": "leave"}
        assert bodies(events) == ["before"]
    events = walk(bob, room_id, "f")
    assert events[-1]["content"] == {"membership": "leave"}
    assert walk(bob, room_id, "f", **{"from": here}) == []


def test_a_ban_after_the_leaving_shows_nothing_more(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    leave(bob, room_id)
    alice.send(room_id, "after")
    set_state(alice, room_id, "m.room.topic", {"topic": "secret"})
    ban(alice, room_id, bob)
    events = walk(bob, room_id)
    assert (bodies(events), events[0]["content"]) == ([], {"membership": "leave"})
    refused(bob.request("GET", room_path(room_id, "state", "m.room.topic")), 404, "M_NOT_FOUND")


def test_what_is_hidden_is_jumped_over_not_scanned(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = server.register(), server.register()
    room_id = room_with_visibility(alice, "joined", preset="public_chat")
    bob.join(room_id)
    alice.send(room_id, "seen")
    leave(bob, room_id)
    for number in range(20):
        alice.send(room_id, f"hidden {number}")
    bob.join(room_id)
    alice.send(room_id, "seen again")
    monkeypatch.setattr(timeline, "MAX_SCANNED", 8)
    page = bob.get(room_path(room_id, "messages"), dir="b")
    assert bodies(page["chunk"]) == ["seen again", "seen"]


def test_a_room_that_the_world_may_read_is_open_to_all_and_others_to_nobody(server: Running) -> None:
    alice, eve = server.register(), server.register()
    open_room = room_with_visibility(alice, "world_readable")
    closed_room = room_with_visibility(alice, "shared", preset="public_chat")
    alice.send(open_room, "hello world")
    alice.send(closed_room, "hello friends")
    assert bodies(walk(eve, open_room)) == ["hello world"]
    for room_id in (closed_room, "!unknown:hamrasan.test"):
        refused(eve.request("GET", room_path(room_id, "messages"), dir="b"), 403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"dir": "x"}, "M_INVALID_PARAM"),
        ({"dir": "b", "from": "nonsense"}, "M_INVALID_PARAM"),
        ({"dir": "b", "to": "t1_"}, "M_INVALID_PARAM"),
        ({"dir": "b", "limit": "many"}, "M_INVALID_PARAM"),
        ({"dir": "b", "limit": -1}, "M_INVALID_PARAM"),
        ({"dir": "b", "filter": "{"}, "M_INVALID_PARAM"),
        ({"dir": "b", "filter": "[]"}, "M_BAD_JSON"),
        ({"dir": "b", "filter": '{"types":"m.room.message"}'}, "M_BAD_JSON"),
    ],
)
def test_what_cannot_be_asked(server: Running, query: dict[str, Any], errcode: str) -> None:
    alice = server.register()
    room_id = alice.create_room()
    refused(alice.request("GET", room_path(room_id, "messages"), **query), 400, errcode)
