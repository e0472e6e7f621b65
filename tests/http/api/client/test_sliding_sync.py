"""Sliding sync (MSC4186): connections and their places, lists and windows, subscriptions."""

from __future__ import annotations

import pytest

from tests.running import Person, Running, refused
from tests.sliding import EXPERIMENTAL, Connection, StableConnection, every_room, texts


def make_rooms(who: Person, count: int) -> list[str]:
    """Return rooms, the one in which something happened last first."""
    return [who.create_room(name=f"room {number}") for number in range(count)][::-1]


def test_versions_say_that_it_is_there(server: Running, alice: Person) -> None:
    features = alice.get("/_matrix/client/versions")["unstable_features"]
    assert features["org.matrix.simplified_msc3575"] is True


def test_the_first_answer_has_the_last_rooms_and_counts_all(alice: Person) -> None:
    rooms = make_rooms(alice, 5)
    answer = Connection(alice).sync(lists={"top": every_room(last=2)})
    assert list(answer["rooms"]) == rooms[:3]
    assert answer["lists"] == {"top": {"count": 5}}
    assert all(room["initial"] for room in answer["rooms"].values())


def test_a_growing_window_brings_only_what_is_new_in_it(alice: Person) -> None:
    rooms = make_rooms(alice, 5)
    connection = Connection(alice)
    connection.sync(lists={"top": every_room(last=1)})
    grown = connection.sync(lists={"top": every_room(last=3)})
    assert list(grown["rooms"]) == rooms[2:4]
    assert connection.sync(lists={"top": every_room(last=3)})["rooms"] == {}


def test_several_windows_on_one_list(alice: Person) -> None:
    rooms = make_rooms(alice, 6)
    windows = every_room() | {"ranges": [[0, 1], [4, 9], [1, 1]]}
    assert set(Connection(alice).sync(lists={"all": windows})["rooms"]) == {*rooms[:2], *rooms[4:]}


def test_a_list_without_windows_has_all_rooms(alice: Person) -> None:
    rooms = make_rooms(alice, 3)
    everything = {"timeline_limit": 1, "required_state": []}
    assert set(Connection(alice).sync(lists={"all": everything})["rooms"]) == set(rooms)
    assert Connection(alice).sync(lists={"all": {**everything, "ranges": []}})["rooms"] == {}


def test_a_message_brings_its_room_to_the_top(alice: Person) -> None:
    rooms = make_rooms(alice, 4)
    connection = Connection(alice)
    connection.sync(lists={"top": every_room(last=1)})
    alice.send(rooms[3], "up")
    answer = connection.sync(lists={"top": every_room(last=1)})
    assert list(answer["rooms"]) == [rooms[3]]
    assert answer["rooms"][rooms[3]]["initial"]
    alice.send(rooms[3], "again")
    room = connection.sync(lists={"top": every_room(last=1)})["rooms"][rooms[3]]
    assert texts(room) == ["again"]
    assert "initial" not in room


def test_what_a_room_outside_of_the_windows_missed_is_told_when_it_is_back(alice: Person) -> None:
    rooms = make_rooms(alice, 3)
    connection = Connection(alice)
    connection.sync(lists={"all": every_room()})
    alice.send(rooms[2], "unseen")
    assert connection.sync(lists={"all": every_room() | {"ranges": []}})["rooms"] == {}
    assert texts(connection.sync(lists={"all": every_room()})["rooms"][rooms[2]]) == ["unseen"]


def test_a_lost_answer_is_given_again(alice: Person) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    connection.rooms()
    before = connection.pos
    alice.send(room_id, "first")
    lost = connection.rooms()
    alice.send(room_id, "second")
    connection.pos = before
    again = connection.rooms()
    assert texts(lost[room_id]) == ["first"]
    assert texts(again[room_id]) == ["first", "second"]
    assert connection.rooms() == {}


def test_a_lost_answer_may_be_asked_for_with_other_lists(alice: Person) -> None:
    rooms = make_rooms(alice, 3)
    connection = Connection(alice)
    connection.sync(lists={"top": every_room(last=0)})
    before = connection.pos
    connection.sync(lists={"all": every_room()})
    connection.pos = before
    connection.sync(lists={"top": every_room(last=0)})
    assert set(connection.sync(lists={"all": every_room()})["rooms"]) == set(rooms[1:])


def test_a_position_from_before_the_last_answer_is_not_known(alice: Person) -> None:
    connection = Connection(alice)
    connection.rooms()
    old = connection.pos
    connection.rooms()
    connection.rooms()
    refused(connection.request(pos=old), 400, "M_UNKNOWN_POS")
    assert connection.request().status_code == 200, "the connection has not suffered"


@pytest.mark.parametrize("pos", ["", "p1_1_abcdefghij_1", "s1_1_0_0_abc", "nonsense", "p1_9999999999_x_1"])
def test_a_position_that_was_never_given_is_not_known(alice: Person, pos: str) -> None:
    refused(alice.request("POST", EXPERIMENTAL, {}, pos=pos), 400, "M_UNKNOWN_POS")


def test_a_position_is_of_one_device_and_one_connection(server: Running, alice: Person) -> None:
    connection = Connection(alice, "one")
    connection.rooms()
    for other in (
        Connection(server.log_in(alice), "one"),
        Connection(alice, "two"),
        Connection(alice),
        Connection(server.register("mallory"), "one"),
    ):
        refused(other.request(pos=connection.pos), 400, "M_UNKNOWN_POS")


def test_connections_go_on_apart(alice: Person) -> None:
    room_id = alice.create_room()
    one, two = Connection(alice, "one"), Connection(alice, "two")
    assert one.rooms().keys() == two.rooms().keys() == {room_id}
    alice.send(room_id, "news")
    assert texts(one.rooms()[room_id]) == ["news"]
    assert texts(two.rooms()[room_id]) == ["news"]


def test_who_begins_anew_ends_the_former_connection(alice: Person) -> None:
    connection = Connection(alice)
    connection.rooms()
    former, connection.pos = connection.pos, None
    connection.rooms()
    refused(connection.request(pos=former), 400, "M_UNKNOWN_POS")


def test_a_subscription_brings_a_room_that_no_list_has(alice: Person) -> None:
    rooms = make_rooms(alice, 3)
    connection = Connection(alice)
    subscription = {rooms[2]: {"timeline_limit": 5, "required_state": [["m.room.create", ""]]}}
    answer = connection.sync(lists={"top": every_room(last=0)}, room_subscriptions=subscription)
    assert answer["rooms"].keys() == {rooms[0], rooms[2]}
    assert [event["type"] for event in answer["rooms"][rooms[2]]["required_state"]] == ["m.room.create"]
    alice.send(rooms[2], "subscribed")
    answer = connection.sync(room_subscriptions=subscription)
    assert texts(answer["rooms"][rooms[2]]) == ["subscribed"]
    alice.send(rooms[2], "not any more")
    assert connection.sync()["rooms"] == {}


def test_a_subscription_shows_no_room_that_the_user_may_not_see(alice: Person, bob: Person) -> None:
    secret = alice.create_room(preset="public_chat")
    subscription = {"timeline_limit": 5, "required_state": [["*", "*"]]}
    connection = Connection(bob)
    wanted = {secret: subscription, "!none:hamrasan.test": subscription, "nonsense": subscription}
    assert connection.sync(room_subscriptions=wanted)["rooms"] == {}
    bob.join(secret)
    assert connection.sync(room_subscriptions=wanted)["rooms"].keys() == {secret}


def test_pos_is_a_token_for_paging(alice: Person) -> None:
    room_id = alice.create_room()
    alice.send(room_id, "before")
    connection = Connection(alice)
    connection.rooms()
    alice.send(room_id, "after")
    page = alice.get(f"/rooms/{room_id}/messages", **{"from": connection.pos, "dir": "b", "limit": 1})
    assert [event["content"]["body"] for event in page["chunk"]] == ["before"]
    page = alice.get(f"/rooms/{room_id}/messages", **{"from": connection.pos, "dir": "f"})
    assert [event["content"]["body"] for event in page["chunk"]] == ["after"]


def test_the_form_of_the_proposal(alice: Person, bob: Person) -> None:
    rooms = make_rooms(alice, 3)
    alice.invite(rooms[0], bob)
    include = {"include": [{"type": "m.room.create", "state_key": ""}]}
    room_list = {"range": [0, 1], "timeline_limit": 2, "required_state": include}
    connection = StableConnection(alice)
    answer = connection.sync(lists={"top": room_list, "same": room_list})
    assert answer["lists"] == {"top": {"count": 3}, "same": {"count": 3}}
    assert list(answer["rooms"]) == rooms[:2]
    room = answer["rooms"][rooms[0]]
    assert (room["membership"], room["lists"], room["initial"]) == ("join", ["top", "same"], True)
    assert [event["type"] for event in room["required_state"]] == ["m.room.create"]
    assert "notification_count" not in room
    wide = connection.sync(room_subscriptions={rooms[0]: {"timeline_limit": 20, "required_state": {}}})
    assert wide["rooms"][rooms[0]]["expanded_timeline"] is True
    assert "lists" not in wide["rooms"][rooms[0]]
    invited = StableConnection(bob).sync(lists={"all": room_list})["rooms"][rooms[0]]
    assert invited["membership"] == "invite"
    assert {event["type"] for event in invited["stripped_state"]} >= {"m.room.member", "m.room.name"}
    assert "timeline" not in invited
