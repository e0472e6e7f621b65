"""What sliding sync tells of a room (MSC4186, "RoomResult"): timeline, state, members, names, and leaving it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reading import ignore, leave, relate, room_path, set_state
from tests.running import Person, Running
from tests.sliding import Connection, Json, StableConnection, every_room, state, texts

ME, LAZY, ANY = ["m.room.member", "$ME"], ["m.room.member", "$LAZY"], ["*", "*"]


def first(who: Person, room_id: str, **config: Any) -> Json:
    """Return what a new connection is told of a room."""
    room: Json = Connection(who, f"c{id(config)}").rooms(**config)[room_id]
    return room


def mention(who: Person, room_id: str, other: Person) -> str:
    """Send a message that names somebody; return its id."""
    content = {"msgtype": "m.text", "body": "hello", "m.mentions": {"user_ids": [other.user_id]}}
    event_id: str = who.put(room_path(room_id, "send", "m.room.message", "mention"), content)["event_id"]
    return event_id


def members(room: Json) -> set[str]:
    return {key for type, key in state(room) if type == "m.room.member"}


# Timelines.


def test_a_timeline_has_the_last_events_and_says_whether_there_are_more(alice: Person) -> None:
    room_id = alice.create_room()
    for number in range(5):
        alice.send(room_id, str(number))
    room = first(alice, room_id, limit=2)
    assert texts(room) == ["3", "4"]
    assert room["limited"] is True
    assert room["num_live"] == 0
    page = alice.get(room_path(room_id, "messages"), **{"from": room["prev_batch"], "dir": "b", "limit": 1})
    assert [event["content"]["body"] for event in page["chunk"]] == ["2"]
    assert "limited" not in first(alice, room_id, limit=100)


def test_without_a_timeline(alice: Person) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    room = connection.rooms(limit=0)[room_id]
    assert room.get("timeline", []) == []
    alice.send(room_id, "unseen")
    room = connection.rooms(limit=0)[room_id]
    assert room.get("timeline", []) == []
    assert room["limited"] is True
    assert texts(connection.rooms(limit=1)[room_id]) == ["unseen"]


def test_events_since_the_last_answer_are_live(alice: Person) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    connection.rooms(limit=20)
    alice.send(room_id, "one")
    alice.send(room_id, "two")
    room = connection.rooms(limit=20)[room_id]
    assert (texts(room), room["num_live"]) == (["one", "two"], 2)
    assert "limited" not in room
    assert "initial" not in room


def test_a_gap_is_told(alice: Person) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    connection.rooms(limit=2)
    for number in range(5):
        alice.send(room_id, str(number))
    room = connection.rooms(limit=2)[room_id]
    assert (texts(room), room["limited"], room["num_live"]) == (["3", "4"], True, 2)


def test_a_room_that_comes_into_the_window_has_old_and_live_events(alice: Person) -> None:
    old, new = alice.create_room(), alice.create_room()
    alice.send(old, "before")
    alice.send(new, "above")
    connection = Connection(alice)
    connection.rooms(limit=2, last=0)
    alice.send(old, "now")
    room = connection.rooms(limit=2, last=0)[old]
    assert (texts(room), room["num_live"], room["initial"]) == (["before", "now"], 1, True)


def test_a_wider_timeline_is_told_at_once_and_once(alice: Person) -> None:
    room_id = alice.create_room()
    for number in range(6):
        alice.send(room_id, str(number))
    connection = Connection(alice)
    connection.rooms(limit=1)
    room = connection.rooms(limit=4)[room_id]
    assert texts(room) == ["2", "3", "4", "5"]
    assert (room["unstable_expanded_timeline"], room["num_live"]) == (True, 0)
    assert "initial" not in room
    assert connection.rooms(limit=4) == {}
    assert connection.rooms(limit=1) == {}
    assert connection.rooms(limit=4) == {}, "the client has them"
    alice.send(room_id, "6")
    assert texts(connection.rooms(limit=1)[room_id]) == ["6"]
    assert connection.rooms(limit=5) == {}, "four and one"


def test_events_that_came_one_by_one_need_no_wider_timeline(alice: Person) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    connection.rooms(limit=1)
    for number in range(3):
        alice.send(room_id, str(number))
        connection.rooms(limit=1)
    assert connection.rooms(limit=3) == {}
    assert texts(connection.rooms(limit=6)[room_id]) == ["0", "1", "2"]


def test_transaction_ids_and_bundled_relations_are_as_in_sync(alice: Person) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    connection.rooms()
    event_id = alice.send(room_id, "first")
    relate(alice, room_id, event_id, "m.replace", "* second", **{"m.new_content": {"body": "second"}})
    events = connection.rooms()[room_id]["timeline"]
    assert "transaction_id" in events[0]["unsigned"]
    assert "m.replace" in events[0]["unsigned"]["m.relations"]
    assert all("room_id" not in event for event in events)


def test_history_that_is_hidden_stays_so(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    set_state(alice, room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    alice.send(room_id, "secret")
    bob.join(room_id)
    alice.send(room_id, "open")
    assert texts(first(bob, room_id, limit=50)) == ["open"]


# State.


@pytest.mark.parametrize(
    ("required", "expected"),
    [
        ([], set()),
        ([["m.room.name", ""]], {("m.room.name", "")}),
        ([["m.room.nothing", ""]], set()),
        ([["org.example", "*"]], {("org.example", "a"), ("org.example", "b")}),
        ([["*", "a"]], {("org.example", "a"), ("org.other", "a")}),
    ],
)
def test_the_state_that_is_asked_for(alice: Person, required: Any, expected: set[tuple[str, str]]) -> None:
    room_id = alice.create_room(name="named")
    for type, key in (("org.example", "a"), ("org.example", "b"), ("org.other", "a")):
        set_state(alice, room_id, type, {"x": key}, key)
    assert state(first(alice, room_id, required_state=required)) == expected


def test_all_state_has_all_members_or_those_of_the_timeline(
    alice: Person, bob: Person, carol: Person
) -> None:
    room_id = alice.create_room(preset="public_chat", name="named")
    bob.join(room_id)
    carol.join(room_id)
    carol.send(room_id, "hello")
    everything = first(alice, room_id, limit=1, required_state=[ANY])
    assert members(everything) == {alice.user_id, bob.user_id, carol.user_id}
    lazy = first(alice, room_id, limit=1, required_state=[ANY, LAZY])
    assert members(lazy) == {carol.user_id}
    assert state(everything) - state(lazy) == {("m.room.member", who.user_id) for who in (alice, bob)}
    assert members(first(alice, room_id, limit=1, required_state=[ME, LAZY])) == {
        alice.user_id,
        carol.user_id,
    }
    named = first(alice, room_id, limit=1, required_state=[["m.room.member", bob.user_id]])
    assert members(named) == {bob.user_id}


def test_members_come_once_and_when_they_change(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    connection = Connection(alice)
    connection.rooms(limit=1, required_state=[LAZY])
    bob.send(room_id, "one")
    assert members(connection.rooms(limit=1, required_state=[LAZY])[room_id]) == set()
    alice.send(room_id, "two")
    assert members(connection.rooms(limit=1, required_state=[LAZY])[room_id]) == {alice.user_id}
    bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "باب"})
    assert members(connection.rooms(limit=1, required_state=[LAZY])[room_id]) == {bob.user_id}


def test_changed_state_comes_with_the_next_answer(alice: Person) -> None:
    room_id = alice.create_room(name="one")
    connection = Connection(alice)
    wanted = [["m.room.name", ""]]
    connection.rooms(required_state=wanted)
    set_state(alice, room_id, "m.room.topic", {"topic": "x"})
    assert state(connection.rooms(required_state=wanted)[room_id]) == set()
    set_state(alice, room_id, "m.room.name", {"name": "two"})
    room = connection.rooms(required_state=wanted)[room_id]
    assert (room["name"], state(room)) == ("two", {("m.room.name", "")})


def test_more_state_is_told_at_once_and_only_what_is_new(alice: Person) -> None:
    room_id = alice.create_room(name="one", topic="two")
    connection = Connection(alice)
    connection.rooms(required_state=[["m.room.name", ""]])
    both = [["m.room.name", ""], ["m.room.topic", ""]]
    room = connection.rooms(required_state=both)[room_id]
    assert state(room) == {("m.room.topic", "")}
    assert "timeline" not in room
    assert connection.rooms(required_state=both) == {}


def test_state_that_changed_while_it_was_not_asked_for_is_told(alice: Person) -> None:
    room_id = alice.create_room(topic="one")
    connection = Connection(alice)
    wanted = [["m.room.topic", ""]]
    connection.rooms(required_state=wanted)
    set_state(alice, room_id, "m.room.topic", {"topic": "two"})
    connection.rooms()
    room = connection.rooms(required_state=wanted)[room_id]
    assert [event["content"] for event in room["required_state"]] == [{"topic": "two"}]


def test_lists_and_subscriptions_ask_together(alice: Person) -> None:
    room_id = alice.create_room(name="one", topic="two")
    for number in range(4):
        alice.send(room_id, str(number))
    answer = Connection(alice).sync(
        lists={"a": every_room(limit=1, required_state=[["m.room.name", ""]])},
        room_subscriptions={room_id: {"timeline_limit": 3, "required_state": [["m.room.topic", ""]]}},
    )
    room = answer["rooms"][room_id]
    assert state(room) == {("m.room.name", ""), ("m.room.topic", "")}
    assert texts(room) == ["1", "2", "3"]


def test_the_proposals_state_leaves_out(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat", name="named")
    bob.join(room_id)

    def wanted(required: Json) -> set[tuple[str, str]]:
        room_list = {"range": [0, 9], "timeline_limit": 1, "required_state": required}
        answer = StableConnection(alice, f"c{len(str(required))}").sync(lists={"all": room_list})
        return state(answer["rooms"][room_id])

    everything = wanted({"include": [{}]})
    create = {"type": "m.room.create", "state_key": ""}
    assert everything - wanted({"include": [{}], "exclude": [create]}) == {("m.room.create", "")}
    nobody = wanted({"include": [{}], "exclude": [{"type": "m.room.member"}]})
    assert not any(type == "m.room.member" for type, _ in nobody)
    lazily = wanted({"include": [{}], "lazy_members": True})
    assert {key for type, key in lazily if type == "m.room.member"} == {bob.user_id}
    own = {"type": "m.room.member", "state_key": alice.user_id}
    with_own = wanted({"include": [{}, own], "lazy_members": True})
    assert with_own - lazily == {("m.room.member", alice.user_id)}


# Names, counts, direct chats.


def test_heroes_stand_for_a_room_without_a_name(alice: Person, bob: Person) -> None:
    bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "باب"})
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    connection = Connection(alice)
    room = connection.rooms()[room_id]
    assert room["heroes"] == [{"user_id": bob.user_id, "displayname": "باب"}]
    assert "name" not in room
    assert (room["joined_count"], room["invited_count"]) == (2, 0)
    set_state(alice, room_id, "m.room.name", {"name": "named"})
    set_state(alice, room_id, "m.room.avatar", {"url": "mxc://x/y"})
    room = connection.rooms()[room_id]
    assert (room["name"], room["avatar"]) == ("named", "mxc://x/y")
    assert "heroes" not in room
    assert "joined_count" not in room
    set_state(alice, room_id, "m.room.name", {})
    set_state(alice, room_id, "m.room.avatar", {})
    room = connection.rooms()[room_id]
    assert (room["name"], room["avatar"]) == (None, None)
    assert [hero["user_id"] for hero in room["heroes"]] == [bob.user_id]


def test_counts_follow_the_members(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    connection = Connection(alice)
    connection.rooms()
    alice.invite(room_id, carol)
    bob.join(room_id)
    room = connection.rooms()[room_id]
    assert (room["joined_count"], room["invited_count"]) == (2, 1)


def test_a_direct_chat_is_told_as_one_when_it_becomes_one(alice: Person, bob: Person) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    assert "is_dm" not in connection.rooms()[room_id]
    direct = f"/user/{alice.user_id}/account_data/m.direct"
    alice.put(direct, {bob.user_id: [room_id]})
    assert connection.rooms()[room_id]["is_dm"] is True
    assert connection.rooms() == {}
    assert first(alice, room_id)["is_dm"] is True
    alice.put(direct, {})
    assert connection.rooms()[room_id]["is_dm"] is False


def test_only_what_people_take_for_news_bumps_a_room(alice: Person) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    created = connection.rooms()[room_id]["bump_stamp"]
    alice.send(room_id, "news")
    bumped = connection.rooms()[room_id]["bump_stamp"]
    assert bumped > created
    set_state(alice, room_id, "m.room.topic", {"topic": "quiet"})
    assert connection.rooms()[room_id]["bump_stamp"] == bumped
    assert first(alice, room_id)["bump_stamp"] == bumped


def test_unread_counts_follow_messages_and_receipts(server: Running, alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    connection = Connection(bob)
    connection.rooms()
    event_id = mention(alice, room_id, bob)
    room = connection.rooms()[room_id]
    assert (room["notification_count"], room["highlight_count"]) == (1, 1)
    server.log_in(bob).post(room_path(room_id, "receipt", "m.read", event_id))
    room = connection.rooms()[room_id]
    assert (room["notification_count"], room["highlight_count"]) == (0, 0)
    assert "timeline" not in room
    alice.post(room_path(room_id, "receipt", "m.read", event_id))
    assert connection.rooms() == {}, "that somebody else has read changes nothing"


# Coming and going.


def test_an_invite_and_joining(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(name="for bob")
    connection = Connection(bob)
    connection.rooms()
    alice.invite(room_id, bob)
    room = connection.rooms()[room_id]
    kinds = {event["type"] for event in room["invite_state"]}
    assert kinds >= {"m.room.create", "m.room.name", "m.room.member"}
    assert room["initial"] is True
    assert "timeline" not in room
    assert "required_state" not in room
    alice.send(room_id, "not for bob yet")
    assert connection.rooms() == {}
    bob.join(room_id)
    room = connection.rooms(required_state=[ME])[room_id]
    assert room["initial"] is True
    assert members(room) == {bob.user_id}


def test_an_invite_that_is_turned_down_is_told_as_left(alice: Person, bob: Person) -> None:
    room_id = alice.create_room()
    alice.invite(room_id, bob)
    connection, stable = Connection(bob), StableConnection(bob)
    room_list = {"range": [0, 9], "timeline_limit": 1, "required_state": {}}
    connection.rooms()
    stable.sync(lists={"all": room_list})
    leave(bob, room_id)
    room = connection.rooms()[room_id]
    assert [event["content"]["membership"] for event in room["timeline"]] == ["leave"]
    assert connection.rooms() == {}
    room = stable.sync(lists={"all": room_list})["rooms"][room_id]
    assert room["membership"] == "leave"
    assert [event["content"]["membership"] for event in room["stripped_state"]] == ["leave"]
    assert Connection(bob, "other").rooms() == {}


def test_a_knock(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(name="closed")
    set_state(alice, room_id, "m.room.join_rules", {"join_rule": "knock"})
    bob.post(f"/knock/{room_id}")
    connection = Connection(bob)
    room = connection.rooms()[room_id]
    assert any(event["type"] == "m.room.name" for event in room["invite_state"])
    alice.post(room_path(room_id, "kick"), {"user_id": bob.user_id})
    assert connection.rooms()[room_id]["timeline"][-1]["sender"] == alice.user_id


def test_leaving_is_told_once_to_who_knew_the_room(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    connection = Connection(bob)
    connection.rooms()
    alice.send(room_id, "last")
    leave(bob, room_id)
    alice.send(room_id, "behind their back")
    answer = connection.sync(lists={"all": every_room(required_state=[ME])})
    room = answer["rooms"][room_id]
    assert texts(room) == ["last"]
    assert room["timeline"][-1]["content"]["membership"] == "leave"
    assert members(room) == {bob.user_id}
    answer = connection.sync(lists={"all": every_room(required_state=[ME])})
    assert (answer["rooms"], answer["lists"]) == ({}, {"all": {"count": 0}})
    assert Connection(bob, "new").rooms() == {}


@pytest.mark.parametrize("act", ["kick", "ban"])
def test_who_is_thrown_out_sees_it_on_every_connection(alice: Person, bob: Person, act: str) -> None:
    room_id = alice.create_room(preset="public_chat", name="lost")
    bob.join(room_id)
    connection = StableConnection(bob)
    room_list = {"range": [0, 9], "timeline_limit": 3, "required_state": {}}
    connection.sync(lists={"all": room_list})
    alice.post(room_path(room_id, act), {"user_id": bob.user_id})
    alice.send(room_id, "behind their back")
    membership = "ban" if act == "ban" else "leave"
    known = connection.sync(lists={"all": room_list})["rooms"][room_id]
    assert (known["membership"], "initial" in known) == (membership, False)
    assert connection.sync(lists={"all": room_list})["rooms"] == {}
    fresh = StableConnection(bob, "fresh").sync(lists={"all": room_list})
    room = fresh["rooms"][room_id]
    assert (room["membership"], room["initial"], room["name"]) == (membership, True, "lost")
    assert room["timeline"][-1]["content"]["membership"] == membership
    assert "behind their back" not in texts(room)
    bob.post(room_path(room_id, "forget"))
    assert StableConnection(bob, "later").sync(lists={"all": room_list})["rooms"] == {}


def test_who_is_banned_without_having_been_inside_is_shown_nothing(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    alice.post(room_path(room_id, "ban"), {"user_id": bob.user_id})
    subscription = {room_id: {"timeline_limit": 5, "required_state": []}}
    answer = Connection(bob).sync(lists={"all": every_room()}, room_subscriptions=subscription)
    assert (answer["rooms"], answer["lists"]) == ({}, {"all": {"count": 0}})


def test_who_comes_back_begins_anew(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    set_state(alice, room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    bob.join(room_id)
    connection = Connection(bob)
    connection.rooms(limit=20)
    leave(bob, room_id)
    alice.send(room_id, "while bob was away")
    bob.join(room_id)
    room = connection.rooms(limit=20)[room_id]
    assert room["initial"] is True
    assert "while bob was away" not in texts(room)
    assert connection.rooms(limit=20) == {}


def test_a_room_that_was_left_can_be_subscribed_to(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    alice.send(room_id, "old")
    leave(bob, room_id)
    alice.send(room_id, "new")
    subscription = {room_id: {"timeline_limit": 5, "required_state": []}}
    assert texts(Connection(bob).sync(room_subscriptions=subscription)["rooms"][room_id]) == ["old"]


def test_a_new_name_of_ones_own_is_no_coming_back(alice: Person) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    connection.rooms()
    alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": "آلیس"})
    room = connection.rooms(required_state=[ME])[room_id]
    assert "initial" not in room


def test_who_is_ignored_invites_nobody_and_says_nothing(alice: Person, bob: Person) -> None:
    ignore(bob, alice)
    invited, shared = alice.create_room(), alice.create_room(preset="public_chat")
    alice.invite(invited, bob)
    bob.join(shared)
    connection = Connection(bob)
    subscription = {invited: {"timeline_limit": 1, "required_state": []}}
    answer = connection.sync(lists={"all": every_room()}, room_subscriptions=subscription)
    assert answer["rooms"].keys() == {shared}
    alice.send(shared, "unheard")
    assert connection.rooms() == {}
