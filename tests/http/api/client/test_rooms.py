from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from hamrasan.http import event_lists
from tests.reading import leave, redact, room_path, room_with_visibility, set_state
from tests.running import Person, Running, refused


def test_an_event_in_the_form_for_clients(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    event_id = alice.send(room_id, "hello")
    event = bob.get(room_path(room_id, "event", event_id))
    age = event["unsigned"].pop("age")
    assert 0 <= age < 60_000
    event.pop("origin_server_ts")
    assert event == {
        "content": {"msgtype": "m.text", "body": "hello"},
        "event_id": event_id,
        "room_id": room_id,
        "sender": alice.user_id,
        "type": "m.room.message",
        "unsigned": {"membership": "join"},
    }
    assert "transaction_id" in alice.get(room_path(room_id, "event", event_id))["unsigned"]


def test_an_event_is_found_in_its_own_room_only(server: Running) -> None:
    alice = server.register()
    room_id, other = alice.create_room(), alice.create_room()
    event_id = alice.send(room_id, "hello")
    refused(alice.request("GET", room_path(other, "event", event_id)), 404, "M_NOT_FOUND")
    refused(alice.request("GET", room_path(room_id, "event", "$unknown")), 404, "M_NOT_FOUND")
    refused(alice.request("GET", room_path("!unknown:x", "event", event_id)), 404, "M_NOT_FOUND")


def keys(state: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(event["type"], event["state_key"]) for event in state}


def test_the_state_of_a_room_has_one_event_for_each_key(server: Running) -> None:
    alice = server.register()
    room_id = alice.create_room(name="first")
    set_state(alice, room_id, "m.room.name", {"name": "second"})
    set_state(alice, room_id, "com.example/odd type", {"a": 1}, "key with / and ü")
    state = alice.get(room_path(room_id, "state"))
    assert len(state) == len(keys(state))
    assert {("m.room.create", ""), ("m.room.member", alice.user_id)} < keys(state)
    names = [event for event in state if event["type"] == "m.room.name"]
    assert [event["content"] for event in names] == [{"name": "second"}]
    assert names[0]["unsigned"]["prev_content"] == {"name": "first"}
    odd = room_path(room_id, "state", "com.example/odd type", "key with / and ü")
    assert alice.get(odd) == {"a": 1}


def test_a_state_event_by_content_and_as_a_whole(server: Running) -> None:
    alice = server.register()
    room_id = alice.create_room(name="home")
    path = room_path(room_id, "state", "m.room.name")
    for same in (path, path + "/"):
        assert alice.get(same) == {"name": "home"}
        assert alice.get(same, format="content") == {"name": "home"}
    whole = alice.get(path, format="event")
    assert (whole["type"], whole["state_key"], whole["content"]) == ("m.room.name", "", {"name": "home"})
    assert whole["sender"] == alice.user_id
    assert whole["room_id"] == room_id
    refused(alice.request("GET", path, format="xml"), 400, "M_INVALID_PARAM")
    refused(alice.request("GET", room_path(room_id, "state", "m.room.topic")), 404, "M_NOT_FOUND")
    refused(alice.request("GET", room_path(room_id, "state", "m.room.name", "x")), 404, "M_NOT_FOUND")


def test_who_left_reads_the_state_at_the_leaving(server: Running) -> None:
    alice, bob, carol = server.register(), server.register(), server.register()
    room_id = alice.create_room(preset="public_chat", name="then")
    bob.join(room_id)
    leave(bob, room_id)
    set_state(alice, room_id, "m.room.name", {"name": "now"})
    carol.join(room_id)

    name = room_path(room_id, "state", "m.room.name")
    assert (alice.get(name), bob.get(name)) == ({"name": "now"}, {"name": "then"})
    state = bob.get(room_path(room_id, "state"))
    assert ("m.room.member", carol.user_id) not in keys(state)
    own = [event for event in state if event["state_key"] == bob.user_id]
    assert own[0]["content"] == {"membership": "leave"}
    members = bob.get(room_path(room_id, "members"))["chunk"]
    assert {event["state_key"] for event in members} == {alice.user_id, bob.user_id}


@pytest.mark.parametrize("what", ["state", "state/m.room.name", "members", "joined_members"])
def test_who_was_never_inside_reads_no_state(server: Running, what: str) -> None:
    alice, invited, stranger = server.register(), server.register(), server.register()
    room_id = alice.create_room(name="home", invite=[invited.user_id])
    for person in (invited, stranger):
        for target in (room_id, "!unknown:hamrasan.test"):
            refused(person.request("GET", f"{room_path(target)}/{what}"), 403, "M_FORBIDDEN")


def test_the_world_reads_the_state_of_an_open_room_but_not_its_joined_members(server: Running) -> None:
    alice, eve = server.register(), server.register()
    room_id = room_with_visibility(alice, "world_readable", name="market")
    assert eve.get(room_path(room_id, "state", "m.room.name")) == {"name": "market"}
    assert ("m.room.create", "") in keys(eve.get(room_path(room_id, "state")))
    refused(eve.request("GET", room_path(room_id, "joined_members")), 403, "M_FORBIDDEN")


class Memberships:
    """A room with somebody for each membership."""

    def __init__(self, server: Running) -> None:
        self.alice, self.joined = server.register(), server.register()
        self.invited, self.left, self.banned = server.register(), server.register(), server.register()
        self.room_id = self.alice.create_room(preset="public_chat", invite=[self.invited.user_id])
        self.before = self.alice.sync()["next_batch"]
        for person in (self.joined, self.left):
            person.join(self.room_id)
        leave(self.left, self.room_id)
        self.alice.post(room_path(self.room_id, "ban"), {"user_id": self.banned.user_id})

    def who(self, **query: Any) -> set[str]:
        """Return the users whom `/members` lists for Alice."""
        chunk = self.alice.get(room_path(self.room_id, "members"), **query)["chunk"]
        assert {event["type"] for event in chunk} <= {"m.room.member"}
        return {event["state_key"] for event in chunk}


def test_members_by_membership(server: Running) -> None:
    room = Memberships(server)
    inside = {room.alice.user_id, room.joined.user_id}
    everybody = inside | {room.invited.user_id, room.left.user_id, room.banned.user_id}
    assert room.who() == everybody
    assert room.who(membership="join") == inside
    assert room.who(membership="ban") == {room.banned.user_id}
    assert room.who(membership="knock") == set()
    assert room.who(not_membership="leave") == everybody - {room.left.user_id}
    assert room.who(not_membership="join") == everybody - inside
    # Both together: the one, or not the other.
    assert room.who(membership="join", not_membership="leave") == everybody - {room.left.user_id}
    assert room.who(membership="leave", not_membership="leave") == everybody
    refused(
        room.alice.request("GET", room_path(room.room_id, "members"), membership="friend"),
        400,
        "M_INVALID_PARAM",
    )


def test_members_at_a_token(server: Running) -> None:
    room = Memberships(server)
    assert room.who(at=room.before) == {room.alice.user_id, room.invited.user_id}
    now = room.alice.sync()["next_batch"]
    assert room.who(at=now) == room.who()
    path = room_path(room.room_id, "members")
    refused(room.alice.request("GET", path, at="nonsense"), 400, "M_INVALID_PARAM")


def test_joined_members_with_their_names(server: Running) -> None:
    alice, bob, carol = server.register(), server.register(), server.register()
    bob.put(f"/profile/{quote(bob.user_id)}/displayname", {"displayname": "Bob"})
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    carol.join(room_id)
    leave(carol, room_id)
    joined = alice.get(room_path(room_id, "joined_members"))["joined"]
    assert joined == {alice.user_id: {}, bob.user_id: {"display_name": "Bob"}}
    refused(carol.request("GET", room_path(room_id, "joined_members")), 403, "M_FORBIDDEN")


def test_long_lists_are_sent_in_pieces_and_are_the_same(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = server.register()
    room_id = alice.create_room()
    for number in range(12):
        set_state(alice, room_id, "com.example.entry", {"n": number}, str(number))

    def read(person: Person) -> Any:
        state = person.get(room_path(room_id, "state"))
        members = person.get(room_path(room_id, "members"))
        for event in (*state, *members["chunk"]):
            del event["unsigned"]["age"]
        return state, members

    whole = read(alice)
    monkeypatch.setattr(event_lists, "SLICE", 5)
    assert read(alice) == whole
    monkeypatch.setattr(event_lists, "WHOLE", 0)
    assert read(alice) == whole


def test_redacted_state_is_shown_redacted(server: Running) -> None:
    alice = server.register()
    room_id = alice.create_room()
    event_id = set_state(alice, room_id, "m.room.topic", {"topic": "regretted"})
    redact(alice, room_id, event_id)
    assert alice.get(room_path(room_id, "state", "m.room.topic")) == {}
