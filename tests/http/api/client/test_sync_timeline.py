"""Timelines in `/sync`: limits, gaps, what is hidden, and how paging back joins up with them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.reading import (
    bodies,
    leave,
    redact,
    relate,
    room_path,
    room_with_visibility,
    set_state,
    set_visibility,
    walk,
    with_filter,
)
from tests.running import Person, Running


def limit(events: int, **more: Any) -> str:
    return with_filter(room={"timeline": {"limit": events, **more}})


def section(answer: Any, room_id: str, membership: str = "join") -> Any:
    return answer["rooms"][membership][room_id]


def texts(answer: Any, room_id: str) -> list[str]:
    return bodies(section(answer, room_id)["timeline"]["events"])


def state_keys(part: Any) -> set[tuple[str, str]]:
    return {(event["type"], event["state_key"]) for event in part["events"]}


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["event_id"] for event in events]


def test_a_first_sync_gives_the_last_events_and_the_state_before_them(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room(name="باغ")
    for number in range(12):
        alice.send(room_id, f"m{number}")
    set_state(alice, room_id, "m.room.topic", {"topic": "گل"})
    part = section(alice.sync(), room_id)
    assert bodies(part["timeline"]["events"]) == [f"m{number}" for number in range(3, 12)]
    assert part["timeline"]["limited"] is True
    assert ("m.room.name", "") in state_keys(part["state"])
    assert ("m.room.topic", "") not in state_keys(part["state"]), "it is in the timeline"
    assert part["timeline"]["events"][-1]["type"] == "m.room.topic"


def test_a_room_that_fits_into_its_timeline_has_no_state_beside_it(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    part = section(alice.sync(filter=limit(50)), room_id)
    assert part["state"]["events"] == []
    assert part["timeline"]["limited"] is False
    assert part["timeline"]["events"][0]["type"] == "m.room.create"
    earlier = alice.get(room_path(room_id, "messages"), dir="b", **{"from": part["timeline"]["prev_batch"]})
    assert earlier["chunk"] == []
    assert "end" not in earlier


def test_the_next_sync_gives_what_came_since_and_nothing_twice(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    since = alice.sync()["next_batch"]
    for number in range(3):
        sent = alice.send(room_id, f"m{number}")
        answer = alice.sync(since)
        part = section(answer, room_id)
        assert ids(part["timeline"]["events"]) == [sent]
        assert part["timeline"]["limited"] is False
        assert part["state"]["events"] == []
        since = answer["next_batch"]
    assert "rooms" not in alice.sync(since)


def test_a_gap_is_told_with_the_state_that_changed_in_it(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room(name="first")
    since = alice.sync()["next_batch"]
    set_state(alice, room_id, "m.room.name", {"name": "second"})
    set_state(alice, room_id, "m.room.name", {"name": "third"})
    for number in range(6):
        alice.send(room_id, f"m{number}")
    part = section(alice.sync(since, filter=limit(5)), room_id)
    assert bodies(part["timeline"]["events"]) == [f"m{number}" for number in range(1, 6)]
    assert part["timeline"]["limited"] is True
    assert [event["content"] for event in part["state"]["events"]] == [{"name": "third"}]


def test_exactly_as_many_events_as_the_limit_are_no_gap(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    since = alice.sync()["next_batch"]
    for number in range(4):
        alice.send(room_id, f"m{number}")
    assert section(alice.sync(since, filter=limit(4)), room_id)["timeline"]["limited"] is False
    assert section(alice.sync(since, filter=limit(3)), room_id)["timeline"]["limited"] is True


@pytest.mark.parametrize("seed", range(4))
def test_paging_back_through_gaps_gives_every_event_once(server: Running, seed: int) -> None:
    """Whatever happens between two syncs: timelines, and what paging gives between them, are the whole room."""
    chance = random.Random(seed)
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    shown: list[str] = []
    since: str | None = None
    for _ in range(6):
        for number in range(chance.choice([0, 1, 4, 9, 14])):
            who = chance.choice([alice, bob])
            if chance.random() < 0.2:
                set_state(alice, room_id, "m.room.topic", {"topic": f"{seed}-{chance.random()}"})
            else:
                who.send(room_id, f"m{number}")
        size = chance.choice([1, 2, 5, 10])
        answer = bob.sync(since, filter=limit(size))
        part = answer.get("rooms", {}).get("join", {}).get(room_id)
        if part is not None:
            timeline = part["timeline"]
            missing: list[str] = []
            if timeline["limited"]:
                stop = {} if since is None else {"to": since}
                older = walk(bob, room_id, "b", **{"from": timeline["prev_batch"]}, limit=3, **stop)
                missing = ids(older)[::-1]
            shown += [*missing, *ids(timeline["events"])]
        since = answer["next_batch"]
    assert shown == ids(walk(bob, room_id, "f"))
    assert len(shown) == len(set(shown))


def test_a_gap_can_also_be_filled_forwards(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    since = alice.sync()["next_batch"]
    sent = [alice.send(room_id, f"m{number}") for number in range(8)]
    timeline = section(alice.sync(since, filter=limit(2)), room_id)["timeline"]
    filled = walk(alice, room_id, "f", **{"from": since, "to": timeline["prev_batch"]}, limit=4)
    assert [*ids(filled), *ids(timeline["events"])] == sent


def test_full_state_in_the_middle_gives_all_state_and_only_new_events(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat", name="باغ")
    quiet = alice.create_room(name="خانه")
    bob.join(room_id)
    since = alice.sync()["next_batch"]
    sent = alice.send(room_id, "news")
    answer = alice.sync(since, full_state="true", timeout=30_000)
    part = section(answer, room_id)
    assert ids(part["timeline"]["events"]) == [sent]
    assert part["timeline"]["limited"] is False
    for needed in (
        ("m.room.create", ""),
        ("m.room.name", ""),
        ("m.room.member", alice.user_id),
        ("m.room.member", bob.user_id),
    ):
        assert needed in state_keys(part["state"])
    assert part["summary"]["m.joined_member_count"] == 2
    still = section(answer, quiet)
    assert still["timeline"]["events"] == []
    assert ("m.room.name", "") in state_keys(still["state"])


def test_state_after_is_the_state_at_the_end(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room(name="first")
    first = alice.sync(use_state_after="true", filter=limit(1))
    part = section(first, room_id)
    assert "state" not in part
    state = {event["type"]: event["content"] for event in part["state_after"]["events"]}
    assert state["m.room.name"] == {"name": "first"}, "also if it is in the timeline"
    alice.send(room_id, "nothing changes")
    quiet = alice.sync(first["next_batch"], use_state_after="true")
    assert section(quiet, room_id)["state_after"]["events"] == []
    assert "state" not in section(quiet, room_id)
    set_state(alice, room_id, "m.room.name", {"name": "second"})
    alice.send(room_id, "after it")
    news = section(alice.sync(quiet["next_batch"], use_state_after="true"), room_id)
    assert [event["content"] for event in news["state_after"]["events"]] == [{"name": "second"}]
    assert [event["type"] for event in news["timeline"]["events"]] == ["m.room.name", "m.room.message"]
    plain = section(alice.sync(quiet["next_batch"]), room_id)
    assert "state_after" not in plain
    assert plain["state"]["events"] == []


def test_who_joins_gets_the_state_and_what_they_may_see(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = room_with_visibility(alice, "joined", preset="public_chat", name="باغ")
    alice.send(room_id, "before bob")
    set_state(alice, room_id, "m.room.topic", {"topic": "hidden, but still so"})
    since = bob.sync()["next_batch"]
    bob.join(room_id)
    alice.send(room_id, "after bob")
    part = section(bob.sync(since), room_id)
    assert texts({"rooms": {"join": {room_id: part}}}, room_id) == ["after bob"]
    assert part["timeline"]["limited"] is True
    assert {("m.room.topic", ""), ("m.room.name", ""), ("m.room.create", "")} <= state_keys(part["state"])
    assert part["timeline"]["events"][0]["state_key"] == bob.user_id
    everything = section(bob.sync(), room_id)
    assert state_keys(everything["state"]) == state_keys(part["state"])


def test_who_was_away_between_two_syncs_does_not_see_what_was_hidden_meanwhile(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = room_with_visibility(alice, "joined", preset="public_chat")
    bob.join(room_id)
    since = bob.sync()["next_batch"]
    alice.send(room_id, "with bob")
    leave(bob, room_id)
    alice.send(room_id, "without bob")
    set_state(alice, room_id, "m.room.topic", {"topic": "changed meanwhile"})
    bob.join(room_id)
    alice.send(room_id, "with bob again")
    part = section(bob.sync(since), room_id)
    assert bodies(part["timeline"]["events"]) == ["with bob again"]
    assert part["timeline"]["limited"] is True
    assert ("m.room.topic", "") in state_keys(part["state"])
    older = walk(bob, room_id, "b", **{"from": part["timeline"]["prev_batch"], "to": since})
    assert bodies(older) == ["with bob"]


def test_who_was_away_sees_all_where_history_is_shared(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    since = bob.sync()["next_batch"]
    leave(bob, room_id)
    alice.send(room_id, "without bob")
    bob.join(room_id)
    part = section(bob.sync(since), room_id)
    assert bodies(part["timeline"]["events"]) == ["without bob"]
    assert part["timeline"]["limited"] is False
    assert "leave" not in bob.sync(since)["rooms"]


def test_hidden_history_stays_hidden_when_the_room_opens_up(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = room_with_visibility(alice, "joined", preset="public_chat")
    alice.send(room_id, "hidden")
    set_visibility(alice, room_id, "shared")
    alice.send(room_id, "shared")
    bob.join(room_id)
    assert texts(bob.sync(), room_id) == ["shared"]


def test_edits_are_bundled_and_redacted_events_empty(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    edited, taken = alice.send(room_id, "first"), alice.send(room_id, "taken back")
    new: Any = {"msgtype": "m.text", "body": "second"}
    relate(alice, room_id, edited, "m.replace", "* second", **{"m.new_content": new})
    redact(alice, room_id, taken)
    events = {e["event_id"]: e for e in section(alice.sync(), room_id)["timeline"]["events"]}
    replaced = events[edited]["unsigned"]["m.relations"]["m.replace"]
    assert replaced["content"]["m.new_content"] == new
    assert events[taken]["content"] == {}
    assert events[taken]["unsigned"]["redacted_because"]["type"] == "m.room.redaction"


def test_only_the_sending_device_gets_the_transaction_id(server: Running) -> None:
    alice = server.register("alice")
    other = server.log_in(alice)
    room_id = alice.create_room()
    first: dict[Person, str] = {device: device.sync()["next_batch"] for device in (alice, other)}
    alice.put(f"{room_path(room_id)}/send/m.room.message/mine", {"msgtype": "m.text", "body": "hi"})
    (mine,) = section(alice.sync(first[alice]), room_id)["timeline"]["events"]
    (theirs,) = section(other.sync(first[other]), room_id)["timeline"]["events"]
    assert mine["unsigned"]["transaction_id"] == "mine"
    assert "transaction_id" not in theirs["unsigned"]


def test_who_was_away_for_long_gets_every_room_with_its_gap(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    rooms = [alice.create_room(preset="public_chat") for _ in range(12)]
    for room_id in rooms:
        bob.join(room_id)
    since = bob.sync()["next_batch"]
    for room_id in rooms[:-2]:
        for number in range(12):
            alice.send(room_id, f"m{number}")
    for room_id in rooms[:4]:
        set_state(alice, room_id, "m.room.topic", {"topic": "late"})
        alice.send(room_id, "last")
    answer = bob.sync(since, filter=limit(1))
    assert answer["rooms"]["join"].keys() == set(rooms[:-2])
    for number, room_id in enumerate(rooms[:-2]):
        part = section(answer, room_id)
        assert part["timeline"]["limited"] is True
        assert bodies(part["timeline"]["events"]) == ["last" if number < 4 else "m11"]
        assert state_keys(part["state"]) == ({("m.room.topic", "")} if number < 4 else set())
        assert part["unread_notifications"]["notification_count"] == (13 if number < 4 else 12)
