from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.running import Person, Running, refused

ROOM = "!room:hamrasan.test"


def of(person: Person, type: str, room_id: str | None = None) -> str:
    """Return the path of a person's account data."""
    room = "" if room_id is None else f"/rooms/{quote(room_id, safe='')}"
    return f"/user/{quote(person.user_id)}{room}/account_data/{quote(type, safe='')}"


@pytest.mark.parametrize("room_id", [None, ROOM])
def test_account_data_is_set_and_read_again(server: Running, room_id: str | None) -> None:
    alice = server.register()
    refused(alice.request("GET", of(alice, "org.example", room_id)), 404, "M_NOT_FOUND")
    assert alice.put(of(alice, "org.example", room_id), {"a": [1, 2.5, None], "ب": "پ"}) == {}
    assert alice.get(of(alice, "org.example", room_id)) == {"a": [1, 2.5, None], "ب": "پ"}
    assert alice.put(of(alice, "org.example", room_id), {}) == {}
    assert alice.get(of(alice, "org.example", room_id)) == {}


def test_the_room_has_account_data_of_its_own(server: Running) -> None:
    alice = server.register()
    alice.put(of(alice, "org.example"), {"where": "global"})
    alice.put(of(alice, "org.example", ROOM), {"where": "room"})
    assert alice.get(of(alice, "org.example")) == {"where": "global"}
    assert alice.get(of(alice, "org.example", ROOM)) == {"where": "room"}


def test_account_data_reaches_the_users_other_devices_and_nobody_else(server: Running) -> None:
    alice, bob = server.register(), server.register()
    phone = server.log_in(alice)
    mine, bobs = phone.sync()["next_batch"], bob.sync()["next_batch"]
    alice.put(of(alice, "org.example"), {"n": 1})

    events = phone.sync(mine)["account_data"]["events"]
    assert {"type": "org.example", "content": {"n": 1}} in events
    assert "org.example" not in str(bob.sync(bobs))


@pytest.mark.parametrize("room_id", [None, ROOM])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_account_data_of_others_is_closed(server: Running, method: str, room_id: str | None) -> None:
    alice, eve = server.register(), server.register()
    alice.put(of(alice, "org.example", room_id), {"secret": True})
    body = {"overwritten": True} if method == "PUT" else None
    refused(eve.request(method, of(alice, "org.example", room_id), body), 403, "M_FORBIDDEN")
    assert alice.get(of(alice, "org.example", room_id)) == {"secret": True}


@pytest.mark.parametrize("type", ["m.fully_read", "m.push_rules"])
@pytest.mark.parametrize("room_id", [None, ROOM])
def test_what_the_server_manages_cannot_be_set(server: Running, type: str, room_id: str | None) -> None:
    alice = server.register()
    refused(alice.request("PUT", of(alice, type, room_id), {"event_id": "$x"}), 405, "M_BAD_JSON")
    expected = 200 if type == "m.push_rules" and room_id is None else 404
    assert alice.request("GET", of(alice, type, room_id)).status_code == expected


def test_push_rules_can_be_read_as_account_data(server: Running) -> None:
    alice = server.register()
    assert alice.get(of(alice, "m.push_rules")) == alice.get("/pushrules/")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b"[]", "M_BAD_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"", "M_NOT_JSON"),
        (b'{"a":NaN}', "M_NOT_JSON"),
        (b"\xff", "M_NOT_JSON"),
    ],
)
def test_what_is_no_json_object_is_refused(server: Running, body: bytes, errcode: str) -> None:
    alice = server.register()
    url = "/_matrix/client/v3" + of(alice, "org.example")
    refused(alice.http.put(url, content=body), 400, errcode)
    refused(alice.request("GET", of(alice, "org.example")), 404, "M_NOT_FOUND")


def test_account_data_of_what_is_no_room_is_refused(server: Running) -> None:
    alice = server.register()
    for room_id in ("#alias:hamrasan.test", "room", "@a:b"):
        refused(alice.request("PUT", of(alice, "org.example", room_id), {}), 400, "M_INVALID_PARAM")
        refused(alice.request("GET", of(alice, "org.example", room_id)), 400, "M_INVALID_PARAM")


def test_account_data_needs_a_token(server: Running) -> None:
    alice = server.register()
    with server.anonymous() as nobody:
        refused(nobody.get("/_matrix/client/v3" + of(alice, "org.example")), 401, "M_MISSING_TOKEN")
