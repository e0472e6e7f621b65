from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.running import Person, Running, refused

ROOM = "!room:hamrasan.test"


def of(person: Person, tag: str | None = None, room_id: str = ROOM) -> str:
    """Return the path of a person's tags of a room, or of one of them."""
    name = "" if tag is None else f"/{quote(tag, safe='')}"
    return f"/user/{quote(person.user_id)}/rooms/{quote(room_id, safe='')}/tags{name}"


def test_tags_are_put_listed_and_taken_off(server: Running) -> None:
    alice = server.register()
    assert alice.get(of(alice)) == {"tags": {}}
    assert alice.put(of(alice, "m.favourite"), {"order": 0.1}) == {}
    assert alice.put(of(alice, "u.کار/خانه"), {}) == {}
    assert alice.get(of(alice)) == {"tags": {"m.favourite": {"order": 0.1}, "u.کار/خانه": {}}}
    assert alice.delete(of(alice, "m.favourite")) == {}
    assert alice.delete(of(alice, "m.favourite")) == {}
    assert alice.get(of(alice)) == {"tags": {"u.کار/خانه": {}}}


def test_tags_reach_the_users_other_devices_with_the_room(server: Running) -> None:
    alice = server.register()
    phone = server.log_in(alice)
    room_id = alice.create_room()
    since = phone.sync()["next_batch"]
    alice.put(of(alice, "m.favourite", room_id), {"order": 0.5})

    events = phone.sync(since)["rooms"]["join"][room_id]["account_data"]["events"]
    assert events == [{"type": "m.tag", "content": {"tags": {"m.favourite": {"order": 0.5}}}}]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_tags_of_others_are_closed(server: Running, method: str) -> None:
    alice, eve = server.register(), server.register()
    alice.put(of(alice, "u.secret"), {})
    path = of(alice) if method == "GET" else of(alice, "u.secret")
    refused(eve.request(method, path, {"order": 1} if method == "PUT" else None), 403, "M_FORBIDDEN")
    assert alice.get(of(alice)) == {"tags": {"u.secret": {}}}


def test_what_cannot_be_a_tag_is_refused(server: Running) -> None:
    alice = server.register()
    refused(alice.request("PUT", of(alice, "u.x"), {"order": "first"}), 400, "M_BAD_JSON")
    refused(alice.request("PUT", of(alice, "u." + "x" * 254), {}), 400, "M_INVALID_PARAM")
    refused(alice.request("PUT", of(alice, "u.x", "#alias:hamrasan.test"), {}), 400, "M_INVALID_PARAM")
    assert alice.get(of(alice)) == {"tags": {}}
