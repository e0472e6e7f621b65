from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.running import Person, Running, answered, refused

AVATAR = "mxc://hamrasan.test/abcDEF"


def of(person: Person, field: str = "") -> str:
    """Return the path of a person's profile, or of one field of it."""
    return f"/profile/{quote(person.user_id)}" + (f"/{quote(field, safe='')}" if field else "")


def member_of(reader: Person, room_id: str, whose: Person) -> Any:
    """Return the content of somebody's membership event."""
    return reader.get(f"/rooms/{quote(room_id)}/state/m.room.member/{quote(whose.user_id)}")


def test_fields_are_set_read_and_deleted(server: Running) -> None:
    alice, bob = server.register(), server.register()
    assert alice.get(of(alice)) == {}
    assert alice.put(of(alice, "displayname"), {"displayname": "آلیس"}) == {}
    assert alice.put(of(alice, "avatar_url"), {"avatar_url": AVATAR}) == {}
    assert alice.put(of(alice, "m.tz"), {"m.tz": "Asia/Tehran"}) == {}
    assert alice.put(of(alice, "com.example.links"), {"com.example.links": [{"a": 0.5}, None]}) == {}

    assert bob.get(of(alice)) == {
        "displayname": "آلیس",
        "avatar_url": AVATAR,
        "m.tz": "Asia/Tehran",
        "com.example.links": [{"a": 0.5}, None],
    }
    assert bob.get(of(alice, "m.tz")) == {"m.tz": "Asia/Tehran"}
    assert alice.delete(of(alice, "m.tz")) == {}
    assert alice.delete(of(alice, "m.tz")) == {}
    refused(bob.request("GET", of(alice, "m.tz")), 404, "M_NOT_FOUND")


def test_a_profile_can_be_looked_up_without_an_account(server: Running) -> None:
    alice = server.register()
    alice.put(of(alice, "displayname"), {"displayname": "Alice"})
    with server.anonymous() as nobody:
        assert answered(nobody.get("/_matrix/client/v3" + of(alice))) == {"displayname": "Alice"}


def test_users_who_do_not_exist_have_no_profile(server: Running) -> None:
    alice = server.register()
    refused(alice.request("GET", "/profile/@nobody:hamrasan.test"), 404, "M_NOT_FOUND")
    refused(alice.request("GET", "/profile/@nobody:hamrasan.test/displayname"), 404, "M_NOT_FOUND")
    refused(alice.request("GET", "/profile/nobody"), 400, "M_INVALID_PARAM")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_nobody_changes_the_profile_of_others(server: Running, method: str) -> None:
    alice, eve = server.register(), server.register()
    alice.put(of(alice, "displayname"), {"displayname": "Alice"})
    body = {"displayname": "Eve was here"} if method == "PUT" else None
    refused(eve.request(method, of(alice, "displayname"), body), 403, "M_FORBIDDEN")
    assert alice.get(of(alice)) == {"displayname": "Alice"}


@pytest.mark.parametrize(
    ("field", "body", "errcode"),
    [
        ("displayname", {}, "M_MISSING_PARAM"),
        ("displayname", {"avatar_url": AVATAR}, "M_MISSING_PARAM"),
        ("displayname", {"displayname": 5}, "M_BAD_JSON"),
        ("avatar_url", {"avatar_url": "https://example.org/a.png"}, "M_BAD_JSON"),
        ("m.tz", {"m.tz": "نیمروز"}, "M_BAD_JSON"),
        ("nickname", {"nickname": "x"}, "M_INVALID_PARAM"),
        ("com.example." + "x" * 255, {"com.example." + "x" * 255: 1}, "M_KEY_TOO_LARGE"),
        ("com.example.x", {"com.example.x": "x" * 65_536}, "M_PROFILE_TOO_LARGE"),
    ],
)
def test_a_bad_field_is_refused_and_changes_nothing(
    server: Running, field: str, body: Any, errcode: str
) -> None:
    alice = server.register()
    alice.put(of(alice, "displayname"), {"displayname": "Alice"})
    refused(alice.request("PUT", of(alice, field), body), 400, errcode)
    assert alice.get(of(alice)) == {"displayname": "Alice"}


def test_a_suspended_user_keeps_the_profile_as_it_is(server: Running) -> None:
    alice = server.register()
    alice.put(of(alice, "displayname"), {"displayname": "Alice"})
    server.run(server.server.services.accounts.set_suspended(alice.user_id, True))
    refused(alice.request("PUT", of(alice, "displayname"), {"displayname": "x"}), 403, "M_USER_SUSPENDED")
    refused(alice.request("DELETE", of(alice, "displayname")), 403, "M_USER_SUSPENDED")
    assert alice.get(of(alice)) == {"displayname": "Alice"}


def test_a_new_name_and_avatar_stand_in_every_room_that_the_user_is_in(server: Running) -> None:
    alice, bob = server.register(), server.register()
    rooms = [alice.create_room(preset="public_chat") for _ in range(3)]
    left = bob.create_room(preset="public_chat")
    alice.join(left)
    alice.post(f"/rooms/{quote(left)}/leave")
    bob.join(rooms[0])
    since = bob.sync()["next_batch"]

    alice.put(of(alice, "displayname"), {"displayname": "آلیس"})
    alice.put(of(alice, "avatar_url"), {"avatar_url": AVATAR})
    for room_id in rooms:
        shown = member_of(alice, room_id, alice)
        assert (shown["membership"], shown["displayname"], shown["avatar_url"]) == ("join", "آلیس", AVATAR)
    assert member_of(bob, left, alice)["membership"] == "leave"

    timeline = bob.sync(since)["rooms"]["join"][rooms[0]]["timeline"]["events"]
    assert [event["content"].get("avatar_url") for event in timeline] == [None, AVATAR]
    assert timeline[-1]["unsigned"]["prev_content"]["displayname"] == "آلیس"

    alice.delete(of(alice, "displayname"))
    assert "displayname" not in member_of(alice, rooms[0], alice)


def test_a_change_to_the_same_name_adds_no_event(server: Running) -> None:
    alice = server.register()
    room_id = alice.create_room()
    alice.put(of(alice, "displayname"), {"displayname": "Alice"})
    since = alice.sync()["next_batch"]
    alice.put(of(alice, "displayname"), {"displayname": "Alice"})
    alice.put(of(alice, "m.tz"), {"m.tz": "UTC"})
    assert room_id not in alice.sync(since).get("rooms", {}).get("join", {})
