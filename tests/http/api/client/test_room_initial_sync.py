from __future__ import annotations

from tests.reading import bodies, leave, room_path, room_with_visibility, set_state, walk
from tests.running import Running, refused


def test_a_look_into_an_open_room(server: Running) -> None:
    alice, eve = server.register(), server.register()
    room_id = room_with_visibility(alice, "world_readable", name="market", preset="public_chat")
    alice.put(f"/directory/list/room/{room_id}", {"visibility": "public"})
    for number in range(5):
        alice.send(room_id, str(number))
    seen = eve.get(room_path(room_id, "initialSync"), limit=2)
    assert (seen["room_id"], seen["visibility"]) == (room_id, "public")
    assert "membership" not in seen
    assert bodies(seen["messages"]["chunk"]) == ["3", "4"]
    assert {"name": "market"} in [event["content"] for event in seen["state"]]
    older = walk(eve, room_id, "b", **{"from": seen["messages"]["start"]})
    assert bodies(older) == ["2", "1", "0"]
    alice.send(room_id, "later")
    assert bodies(walk(eve, room_id, "f", **{"from": seen["messages"]["end"]})) == ["later"]
    everything = eve.get(room_path(room_id, "initialSync"), limit=100)
    assert "start" not in everything["messages"]


def test_a_look_back_at_a_room_that_was_left(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat", name="then")
    bob.join(room_id)
    alice.send(room_id, "seen")
    leave(bob, room_id)
    alice.send(room_id, "hidden")
    set_state(alice, room_id, "m.room.name", {"name": "now"})
    seen = bob.get(room_path(room_id, "initialSync"))
    assert (seen["membership"], seen["visibility"]) == ("leave", "private")
    assert bodies(seen["messages"]["chunk"]) == ["seen"]
    names = [event["content"] for event in seen["state"] if event["type"] == "m.room.name"]
    assert names == [{"name": "then"}]


def test_a_closed_room_shows_nothing(server: Running) -> None:
    alice, invited, eve = server.register(), server.register(), server.register()
    room_id = alice.create_room(invite=[invited.user_id])
    for person in (invited, eve):
        refused(person.request("GET", room_path(room_id, "initialSync")), 403, "M_FORBIDDEN")
