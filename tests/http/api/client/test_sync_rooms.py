"""Rooms that somebody is invited to, knocks on, leaves, is thrown out of and forgets, in `/sync`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reading import ban, bodies, ignore, leave, room_path, room_with_visibility, set_state, with_filter
from tests.rooms_over_http import act, knock
from tests.running import Person, Running, answered

LEFT_TOO = with_filter(room={"include_leave": True})


def stripped(part: Any) -> dict[tuple[str, str], Any]:
    """Return stripped state by its keys, and fail if an event of it has more members than it may."""
    (events,) = (value["events"] for value in part.values())
    for event in events:
        assert event.keys() == {"type", "state_key", "sender", "content"}
    return {(event["type"], event["state_key"]): event for event in events}


def rooms(answer: Any) -> dict[str, set[str]]:
    """Return which rooms an answer tells of, by membership."""
    return {name: set(part) for name, part in answer.get("rooms", {}).items()}


def news(person: Person, since: str, **query: Any) -> dict[str, set[str]]:
    return rooms(person.sync(since, **query))


def test_an_invite_comes_with_stripped_state(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    since = bob.sync()["next_batch"]
    encryption = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    avatar = {"type": "m.room.avatar", "content": {"url": "mxc://hamrasan.test/abc"}}
    topic = {"type": "m.room.topic", "content": {"topic": "گل"}}
    room_id = alice.create_room(name="باغ", initial_state=[encryption, avatar, topic], invite=[bob.user_id])
    alice.send(room_id, "not for the invited")
    for answer in (bob.sync(since), bob.sync()):
        assert rooms(answer) == {"invite": {room_id}}
        state = stripped(answer["rooms"]["invite"][room_id])
        assert state["m.room.name", ""]["content"] == {"name": "باغ"}
        assert state["m.room.member", bob.user_id]["content"]["membership"] == "invite"
        assert state["m.room.member", bob.user_id]["sender"] == alice.user_id
        assert state["m.room.member", alice.user_id]["content"]["membership"] == "join"
        for type in ("create", "join_rules", "avatar", "topic", "encryption"):
            assert (f"m.room.{type}", "") in state


def test_an_invite_is_told_once_and_again_with_full_state(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(invite=[bob.user_id])
    since = bob.sync()["next_batch"]
    set_state(alice, room_id, "m.room.topic", {"topic": "not told"})
    assert news(bob, since) == {}
    assert news(bob, since, full_state="true") == {"invite": {room_id}}


def test_an_accepted_invite_moves_to_the_joined_rooms(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(invite=[bob.user_id])
    since = bob.sync()["next_batch"]
    bob.join(room_id)
    assert news(bob, since) == {"join": {room_id}}
    assert rooms(bob.sync()) == {"join": {room_id}}


@pytest.mark.parametrize("turned_down", [True, False], ids=["turned down", "taken back"])
def test_an_invite_that_came_to_nothing_is_a_left_room(server: Running, turned_down: bool) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(invite=[bob.user_id], preset="private_chat", name="باغ")
    since = bob.sync()["next_batch"]
    if turned_down:
        leave(bob, room_id)
    else:
        answered(act(alice, room_id, "kick", bob))
    answer = bob.sync(since)
    assert rooms(answer) == {"leave": {room_id}}
    part = answer["rooms"]["leave"][room_id]
    assert [event["state_key"] for event in part["timeline"]["events"]] == [bob.user_id]
    assert part["state"]["events"] == []
    assert rooms(bob.sync()) == {}


def test_an_invite_that_came_and_went_between_two_syncs(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    since = bob.sync()["next_batch"]
    room_id = alice.create_room(invite=[bob.user_id])
    answered(act(alice, room_id, "kick", bob))
    assert "invite" not in news(bob, since)


def test_knocking_is_told_to_who_knocks_and_to_the_room(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    rules = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
    room_id = alice.create_room(name="باغ", initial_state=[rules])
    of_bob, of_alice = bob.sync()["next_batch"], alice.sync()["next_batch"]
    answered(knock(bob, room_id, reason="سلام"))
    answer = bob.sync(of_bob)
    assert rooms(answer) == {"knock": {room_id}}
    state = stripped(answer["rooms"]["knock"][room_id])
    assert state["m.room.member", bob.user_id]["content"]["membership"] == "knock"
    assert state["m.room.name", ""]["content"] == {"name": "باغ"}
    assert ("m.room.create", "") in state
    (event,) = alice.sync(of_alice)["rooms"]["join"][room_id]["timeline"]["events"]
    assert (event["sender"], event["content"]["reason"]) == (bob.user_id, "سلام")
    alice.invite(room_id, bob)
    assert news(bob, answer["next_batch"]) == {"invite": {room_id}}


def test_a_refused_knock_is_a_left_room(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    rules = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
    room_id = alice.create_room(initial_state=[rules])
    answered(knock(bob, room_id))
    since = bob.sync()["next_batch"]
    answered(act(alice, room_id, "kick", bob, reason="نه"))
    answer = bob.sync(since)
    (event,) = answer["rooms"]["leave"][room_id]["timeline"]["events"]
    assert event["content"]["reason"] == "نه"


@pytest.mark.parametrize("how", ["leave", "kick", "ban"])
def test_a_left_room_ends_with_the_leaving(server: Running, how: str) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat", name="باغ")
    bob.join(room_id)
    since = bob.sync()["next_batch"]
    alice.send(room_id, "with bob")
    if how == "leave":
        leave(bob, room_id)
    else:
        answered(act(alice, room_id, how, bob))
    alice.send(room_id, "without bob")
    set_state(alice, room_id, "m.room.name", {"name": "without bob"})
    answer = bob.sync(since)
    assert rooms(answer) == {"leave": {room_id}}
    timeline = answer["rooms"]["leave"][room_id]["timeline"]["events"]
    assert bodies(timeline) == ["with bob"]
    assert timeline[-1]["state_key"] == bob.user_id
    assert news(bob, answer["next_batch"]) == {}
    assert rooms(bob.sync()) == {}
    everything = bob.sync(filter=LEFT_TOO)["rooms"]["leave"][room_id]
    assert everything["timeline"]["events"][-1]["event_id"] == timeline[-1]["event_id"]
    names = [
        event["content"]["name"]
        for event in (*everything["state"]["events"], *everything["timeline"]["events"])
        if event["type"] == "m.room.name"
    ]
    assert names == ["باغ"]


def test_who_never_was_inside_learns_of_a_ban_and_of_nothing_else(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = room_with_visibility(alice, "shared", preset="private_chat", name="باغ")
    since = bob.sync()["next_batch"]
    alice.send(room_id, "secret")
    ban(alice, room_id, bob)
    alice.send(room_id, "secret")
    part = bob.sync(since)["rooms"]["leave"][room_id]
    assert [event["state_key"] for event in part["timeline"]["events"]] == [bob.user_id]
    assert part["state"]["events"] == []


def test_a_ban_after_leaving_is_told_without_what_happened_in_between(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    leave(bob, room_id)
    since = bob.sync()["next_batch"]
    set_state(alice, room_id, "m.room.name", {"name": "without bob"})
    alice.send(room_id, "without bob")
    ban(alice, room_id, bob)
    part = bob.sync(since)["rooms"]["leave"][room_id]
    assert [event["content"]["membership"] for event in part["timeline"]["events"]] == ["ban"]
    assert part["state"]["events"] == []


def test_joining_and_leaving_between_two_syncs_gives_the_room_as_it_was_left(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat", name="باغ")
    since = bob.sync()["next_batch"]
    bob.join(room_id)
    for number in range(12):
        alice.send(room_id, f"m{number}")
    leave(bob, room_id)
    answer = bob.sync(since)
    assert rooms(answer) == {"leave": {room_id}}
    part = answer["rooms"]["leave"][room_id]
    state = {(event["type"], event["state_key"]) for event in part["state"]["events"]}
    assert ("m.room.name", "") in state
    assert part["timeline"]["events"][-1]["content"]["membership"] == "leave"


def test_with_state_after_a_left_room_tells_the_leaving_in_its_state(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    joined, invited = alice.create_room(preset="public_chat"), alice.create_room(invite=[bob.user_id])
    bob.join(joined)
    since = bob.sync()["next_batch"]
    leave(bob, joined)
    leave(bob, invited)
    left = bob.sync(since, use_state_after="true")["rooms"]["leave"]
    for room_id in (joined, invited):
        assert "state" not in left[room_id]
        (member,) = left[room_id]["state_after"]["events"]
        assert (member["state_key"], member["content"]["membership"]) == (bob.user_id, "leave")


def test_every_device_learns_of_a_room_that_another_one_left_and_forgot(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    other = server.log_in(bob)
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    since = other.sync()["next_batch"]
    leave(bob, room_id)
    answered(act(bob, room_id, "forget"))
    answer = other.sync(since)
    assert rooms(answer) == {"leave": {room_id}}
    assert news(other, answer["next_batch"], full_state="true", filter=LEFT_TOO) == {}
    assert rooms(bob.sync(filter=LEFT_TOO)) == {}
    bob.join(room_id)
    assert news(other, answer["next_batch"]) == {"join": {room_id}}


def test_rejoining_between_two_syncs_is_no_leaving(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    since = bob.sync()["next_batch"]
    leave(bob, room_id)
    bob.join(room_id)
    answer = bob.sync(since)
    assert rooms(answer) == {"join": {room_id}}
    part = answer["rooms"]["join"][room_id]
    memberships = [event["content"]["membership"] for event in part["timeline"]["events"]]
    assert memberships == ["leave", "join"]


def test_who_comes_back_gets_the_rooms_account_data_again(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    bob.put(f"/user/{bob.user_id}/rooms/{room_id}/tags/m.favourite", {"order": 0.5})
    leave(bob, room_id)
    since = bob.sync()["next_batch"]
    bob.join(room_id)
    (tags,) = bob.sync(since)["rooms"]["join"][room_id]["account_data"]["events"]
    assert tags == {"type": "m.tag", "content": {"tags": {"m.favourite": {"order": 0.5}}}}


def test_account_data_of_a_left_room_is_told_to_who_wants_left_rooms(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room()
    leave(alice, room_id)
    since = alice.sync()["next_batch"]
    alice.put(f"/user/{alice.user_id}/rooms/{room_id}/account_data/org.example", {"note": "alt"})
    assert news(alice, since) == {}
    part = alice.sync(since, filter=LEFT_TOO)["rooms"]["leave"][room_id]
    assert part["account_data"]["events"] == [{"type": "org.example", "content": {"note": "alt"}}]
    assert part["timeline"]["events"] == []


def test_invites_of_ignored_users_are_not_shown(server: Running) -> None:
    alice, bob, carol = (server.register(name) for name in ("alice", "bob", "carol"))
    ignore(bob, alice)
    since = bob.sync()["next_batch"]
    alice.create_room(invite=[bob.user_id])
    wanted = carol.create_room(invite=[bob.user_id])
    assert news(bob, since) == {"invite": {wanted}}
    assert rooms(bob.sync()) == {"invite": {wanted}}


def test_messages_of_ignored_users_are_not_shown_but_their_state_is(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    ignore(bob, alice)
    since = bob.sync()["next_batch"]
    alice.send(room_id, "not heard")
    assert news(bob, since) == {}
    set_state(alice, room_id, "m.room.name", {"name": "told"})
    part = bob.sync(since)["rooms"]["join"][room_id]
    assert [event["type"] for event in part["timeline"]["events"]] == ["m.room.name"]
    assert part["unread_notifications"]["notification_count"] == 0
    ignore(bob)
    heard = alice.send(room_id, "heard")
    part = bob.sync(since)["rooms"]["join"][room_id]
    assert part["timeline"]["events"][-1]["event_id"] == heard


def test_the_summary_names_heroes_and_counts_members(server: Running) -> None:
    alice = server.register("alice")
    others = [server.register(name) for name in ("bob", "carol", "dave", "eve", "frank", "grace")]
    room_id = alice.create_room(preset="public_chat")
    summary = alice.sync()["rooms"]["join"][room_id]["summary"]
    assert summary == {"m.heroes": [], "m.joined_member_count": 1, "m.invited_member_count": 0}
    since = alice.sync()["next_batch"]
    for other in others[:3]:
        other.join(room_id)
    alice.invite(room_id, others[3])
    answer = alice.sync(since)
    assert answer["rooms"]["join"][room_id]["summary"] == {
        "m.heroes": [other.user_id for other in others[:4]],
        "m.joined_member_count": 4,
        "m.invited_member_count": 1,
    }
    alice.send(room_id, "nobody comes")
    assert "summary" not in alice.sync(answer["next_batch"])["rooms"]["join"][room_id]
    for other in others[4:]:
        other.join(room_id)
    heroes = alice.sync(answer["next_batch"])["rooms"]["join"][room_id]["summary"]["m.heroes"]
    assert heroes == [other.user_id for other in others[:5]]


def test_the_summary_is_told_even_if_the_filter_hides_who_comes(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    since = alice.sync()["next_batch"]
    bob.join(room_id)
    hidden = {"not_types": ["m.room.member"]}
    part = alice.sync(since, filter=with_filter(room={"timeline": hidden, "state": hidden}))
    assert part["rooms"]["join"][room_id]["summary"]["m.joined_member_count"] == 2


def test_those_who_left_stand_for_a_room_in_which_nobody_is_left(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    since = alice.sync()["next_batch"]
    leave(bob, room_id)
    summary = alice.sync(since)["rooms"]["join"][room_id]["summary"]
    assert summary["m.heroes"] == [bob.user_id]
    assert summary["m.joined_member_count"] == 1


def test_a_room_of_one_person_is_upgraded_and_both_are_told(server: Running) -> None:
    alice = server.register("alice")
    room_id = alice.create_room(name="alt")
    since = alice.sync()["next_batch"]
    replacement = alice.post(room_path(room_id, "upgrade"), {"new_version": "11"})["replacement_room"]
    joined = alice.sync(since)["rooms"]["join"]
    assert joined.keys() == {room_id, replacement}
    types = [event["type"] for event in joined[room_id]["timeline"]["events"]]
    assert "m.room.tombstone" in types
