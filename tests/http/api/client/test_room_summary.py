"""Summaries of single rooms, and the rooms that two users share."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hamrasan.http.api.client import mutual_rooms
from tests.reading import V1, ban, get_v1, leave, set_state
from tests.rooms_over_http import knock
from tests.running import Person, Running, answered, refused


def path(room: str) -> str:
    return f"/room_summary/{quote(room, safe='')}"


def summary(person: Person, room: str) -> Any:
    return get_v1(person, path(room))


def asked(person: Person, room: str) -> httpx.Response:
    return person.request("GET", V1 + path(room))


def test_everything_that_a_summary_says(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(
        preset="public_chat", name="خانه", topic="همه چیز", room_alias_name=f"home-{alice.localpart}"
    )
    set_state(alice, room_id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    expected = {
        "room_id": room_id,
        "name": "خانه",
        "topic": "همه چیز",
        "canonical_alias": f"#home-{alice.localpart}:hamrasan.test",
        "num_joined_members": 1,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "public",
        "encryption": "m.megolm.v1.aes-sha2",
        "room_version": "12",
    }
    assert summary(bob, room_id) == expected
    assert summary(bob, f"#home-{alice.localpart}:hamrasan.test") == expected
    bob.join(room_id)
    assert summary(bob, room_id) == {**expected, "num_joined_members": 2, "membership": "join"}
    leave(bob, room_id)
    assert summary(bob, room_id)["membership"] == "leave"


def test_without_a_token(server: Running, alice: Person) -> None:
    public = alice.create_room(preset="public_chat")
    private = alice.create_room()
    with server.anonymous() as http:
        assert "membership" not in answered(http.get(V1 + path(public)))
        refused(http.get(V1 + path(private)), 404, "M_NOT_FOUND")
        wrong = http.get(V1 + path(public), headers={"Authorization": "Bearer nonsense"})
        refused(wrong, 401, "M_UNKNOWN_TOKEN")


def test_who_may_not_see_a_room(alice: Person, bob: Person) -> None:
    private = alice.create_room(name="private")
    unknown = ("!unknown:hamrasan.test", "#unknown:hamrasan.test", "!unknown:elsewhere.test")
    for room in (private, *unknown):
        refused(asked(bob, room), 404, "M_NOT_FOUND")
    refused(asked(bob, "#unknown:elsewhere.test"), 502, "M_CONNECTION_FAILED")
    for room in ("nonsense", "@alice:hamrasan.test"):
        refused(asked(bob, room), 400, "M_INVALID_PARAM")
    alice.invite(private, bob)
    assert summary(bob, private)["membership"] == "invite"


def test_who_is_banned_sees_what_everybody_sees(alice: Person, bob: Person) -> None:
    public, private = alice.create_room(preset="public_chat"), alice.create_room()
    for room_id in (public, private):
        ban(alice, room_id, bob)
    assert summary(bob, public)["membership"] == "ban"
    refused(asked(bob, private), 404, "M_NOT_FOUND")


def test_who_has_knocked(alice: Person, bob: Person) -> None:
    state = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
    room_id = alice.create_room(initial_state=[state])
    answered(knock(bob, room_id))
    assert summary(bob, room_id)["membership"] == "knock"


def test_malformed_state_says_nothing(alice: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    set_state(alice, room_id, "m.room.encryption", {"algorithm": ["m.megolm.v1.aes-sha2"]})
    allow = [{"type": "m.room_membership", "room_id": "nonsense"}, {"type": "other"}, 7]
    set_state(alice, room_id, "m.room.join_rules", {"join_rule": "restricted", "allow": allow})
    found = summary(alice, room_id)
    assert "encryption" not in found
    assert "allowed_room_ids" not in found


# Rooms that two share.


def mutual(person: Person, user_id: str, **query: Any) -> Any:
    return get_v1(person, "/mutual_rooms", user_id=user_id, **query)


def test_mutual_rooms(alice: Person, bob: Person, carol: Person) -> None:
    shared = [alice.create_room(preset="public_chat") for _ in range(3)]
    for room_id in reversed(shared):
        bob.join(room_id)
    alone, invited = alice.create_room(), alice.create_room()
    alice.invite(invited, bob)
    assert mutual(alice, bob.user_id) == {"joined": shared, "count": 3}
    assert mutual(bob, alice.user_id) == {"joined": shared, "count": 3}
    leave(bob, shared[1])
    assert mutual(alice, bob.user_id) == {"joined": [shared[0], shared[2]], "count": 2}
    for stranger in (carol.user_id, "@nobody:hamrasan.test", "@somebody:elsewhere.test"):
        assert mutual(alice, stranger) == {"joined": [], "count": 0}
    assert alone not in mutual(alice, bob.user_id)["joined"]


def test_mutual_rooms_as_the_draft_has_them(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutual_rooms, "PAGE", 2)
    shared = [alice.create_room(preset="public_chat") for _ in range(3)]
    for room_id in shared:
        bob.join(room_id)
    path = "/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms"
    first = alice.get(path, user_id=bob.user_id)
    rest = alice.get(path, user_id=bob.user_id, batch_token=first["next_batch_token"])
    assert first["joined"] + rest["joined"] == shared
    assert "next_batch_token" not in rest


def test_mutual_rooms_in_pages(alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = [alice.create_room(preset="public_chat") for _ in range(5)]
    for room_id in shared:
        bob.join(room_id)
    monkeypatch.setattr(mutual_rooms, "PAGE", 2)
    first = mutual(alice, bob.user_id)
    second = mutual(alice, bob.user_id, **{"from": first["next_batch"]})
    third = mutual(alice, bob.user_id, **{"from": second["next_batch"]})
    assert first["joined"] + second["joined"] + third["joined"] == shared
    assert (first["count"], third["count"], "next_batch" in third) == (5, 5, False)


def test_mutual_rooms_that_cannot_be_asked_for(alice: Person, bob: Person) -> None:
    where = V1 + "/mutual_rooms"
    refused(alice.request("GET", where), 400, "M_MISSING_PARAM")
    for user_id in (alice.user_id, "alice", "@alice", "@سلام:hamrasan.test", ""):
        refused(alice.request("GET", where, user_id=user_id), 400, "M_INVALID_PARAM")
    for token in ("", "m1_", "m1_-1", "t1_5", "m1_" + "9" * 99):
        query = {"user_id": bob.user_id, "from": token}
        refused(alice.request("GET", where, **query), 400, "M_INVALID_PARAM")
