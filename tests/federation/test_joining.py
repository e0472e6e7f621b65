"""Entering and leaving rooms of another server (server-server API, "Joining Rooms", "Knocking upon a room")."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.federation.across import knows_as_joined, membership, seen, stripped, texts
from tests.federation.country import Member, country
from tests.reading import room_path, set_state
from tests.rooms_over_http import VERSIONS, act, join_any, knock, state_of
from tests.running import Person, answered, refused

Pair = tuple[Member, Member]


@pytest.mark.parametrize("version", VERSIONS)
def test_people_of_two_servers_talk_in_one_room(pair: Pair, ali: Person, bahar: Person, version: str) -> None:
    room_id = ali.create_room(preset="public_chat", name="Square", room_version=version)
    ali.send(room_id, "before")
    answered(join_any(bahar, room_id, {"reason": "looking"}, via="a.test"))
    assert membership(ali, room_id, bahar) == "join"
    assert state_of(bahar, room_id) == state_of(ali, room_id)
    bahar.send(room_id, "from b")
    ali.send(room_id, "from a")
    assert seen(lambda: {"from a", "from b"} <= set(texts(bahar, room_id)))
    assert seen(lambda: {"from a", "from b"} <= set(texts(ali, room_id)))


def test_a_room_is_joined_by_its_alias(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="public_chat", room_alias_name=f"for-{ali.localpart}")
    alias = f"#for-{ali.localpart}:a.test"
    found = bahar.get(f"/directory/room/{quote(alias, safe='')}")
    assert found == {"room_id": room_id, "servers": ["a.test"]}
    assert answered(join_any(bahar, alias)) == {"room_id": room_id}
    refused(join_any(bahar, "#nowhere:a.test"), 404, "M_NOT_FOUND")


def test_the_second_of_a_server_joins_without_a_handshake(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="public_chat")
    answered(join_any(bahar, room_id, via="a.test"))
    behnam = pair[1].register("behnam")
    answered(join_any(behnam, room_id))
    assert seen(lambda: membership(ali, room_id, behnam) == "join")


def test_who_leaves_can_come_back(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="public_chat")
    answered(join_any(bahar, room_id, via="a.test"))
    answered(act(bahar, room_id, "leave"))
    assert seen(lambda: membership(ali, room_id, bahar) == "leave")
    ali.send(room_id, "while nobody of b was there")
    set_state(ali, room_id, "m.room.topic", {"topic": "changed"})
    answered(join_any(bahar, room_id))
    assert state_of(bahar, room_id)["m.room.topic", ""]["topic"] == "changed"
    ali.send(room_id, "welcome back")
    assert seen(lambda: "welcome back" in texts(bahar, room_id))


def test_a_private_room_lets_nobody_in_uninvited(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="private_chat")
    refused(join_any(bahar, room_id, via="a.test"), 403, "M_FORBIDDEN")
    assert not knows_as_joined(bahar, room_id)
    refused(bahar.request("GET", room_path(room_id, "state")), 403, "M_FORBIDDEN")


def test_a_room_is_joined_through_whichever_server_is_there(ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="public_chat")
    answered(join_any(bahar, room_id, via=["nobody.test", "not a name", "a.test"]))
    assert knows_as_joined(bahar, room_id)


def test_a_room_of_a_server_that_is_away_is_joined_through_another() -> None:
    with country("a", "b", "c") as (a, b, c):
        ali, bahar, cyrus = a.register("ali"), b.register("bahar"), c.register("cyrus")
        answered(
            join_any(cyrus, ali.create_room(preset="public_chat"), via="a.test")
        )  # so that it knows a's keys
        room_id = ali.create_room(preset="public_chat", room_version="11")
        answered(join_any(bahar, room_id, via="a.test"))
        c.cut_off(a)
        answered(join_any(cyrus, room_id, via=["a.test", "b.test"]))
        bahar.send(room_id, "hello")
        assert seen(lambda: "hello" in texts(cyrus, room_id))
        assert seen(lambda: membership(ali, room_id, cyrus) == "join")


def test_a_member_of_another_room_joins_a_restricted_one(pair: Pair, ali: Person, bahar: Person) -> None:
    club = ali.create_room(preset="public_chat")
    allow = [{"type": "m.room_membership", "room_id": club}]
    rules = {"join_rule": "restricted", "allow": allow}
    initial = [{"type": "m.room.join_rules", "state_key": "", "content": rules}]
    room_id = ali.create_room(preset="private_chat", initial_state=initial)
    refused(join_any(bahar, room_id, via="a.test"), 403, "M_FORBIDDEN")
    answered(join_any(bahar, club, via="a.test"))
    answered(join_any(bahar, room_id, via="a.test"))
    content = state_of(ali, room_id)["m.room.member", bahar.user_id]
    assert content["join_authorised_via_users_server"] == ali.user_id
    # Somebody else of the second server, where nobody may vouch for them.
    behnam = pair[1].register("behnam")
    answered(join_any(behnam, club))
    answered(join_any(behnam, room_id))
    assert seen(lambda: membership(ali, room_id, behnam) == "join")
    assert seen(lambda: membership(bahar, room_id, behnam) == "join")


def test_a_knock_is_answered_with_an_invite(pair: Pair, ali: Person, bahar: Person) -> None:
    initial = [{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}]
    room_id = ali.create_room(preset="private_chat", initial_state=initial, name="Behind a door")
    since = bahar.sync()["next_batch"]
    answered(bahar.request("POST", f"/knock/{quote(room_id, safe='')}", {"reason": "hi"}, via="a.test"))
    assert membership(ali, room_id, bahar) == "knock"
    told = stripped(bahar.sync(since)["rooms"]["knock"][room_id], "knock_state")
    assert told["m.room.name", ""] == {"name": "Behind a door"}
    assert told["m.room.member", bahar.user_id]["membership"] == "knock"
    answered(knock(bahar, room_id))  # nothing changes
    ali.invite(room_id, bahar)
    assert seen(lambda: room_id in bahar.sync(since).get("rooms", {}).get("invite", {}))
    answered(join_any(bahar, room_id))
    assert membership(ali, room_id, bahar) == "join"


def test_a_knock_is_turned_down(pair: Pair, ali: Person, bahar: Person) -> None:
    initial = [{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}]
    room_id = ali.create_room(preset="private_chat", initial_state=initial)
    answered(bahar.request("POST", f"/knock/{quote(room_id, safe='')}", {}, via="a.test"))
    since = bahar.sync()["next_batch"]
    answered(act(ali, room_id, "kick", bahar))
    assert seen(lambda: room_id in bahar.sync(since).get("rooms", {}).get("leave", {}))


def test_a_knock_can_be_taken_back(pair: Pair, ali: Person, bahar: Person) -> None:
    initial = [{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}]
    room_id = ali.create_room(preset="private_chat", initial_state=initial)
    answered(bahar.request("POST", f"/knock/{quote(room_id, safe='')}", {}, via="a.test"))
    since = bahar.sync()["next_batch"]
    answered(act(bahar, room_id, "leave"))
    assert seen(lambda: membership(ali, room_id, bahar) == "leave")
    [event] = bahar.sync(since)["rooms"]["leave"][room_id]["timeline"]["events"]
    assert (event["state_key"], event["content"]["membership"]) == (bahar.user_id, "leave")
