from __future__ import annotations

from urllib.parse import quote

from tests.running import Person, Running, refused


def of(person: Person, filter_id: str = "") -> str:
    """Return the path of a person's filters, or of one of them."""
    return f"/user/{quote(person.user_id)}/filter" + (f"/{quote(filter_id)}" if filter_id else "")


def test_a_filter_is_defined_and_read_again(server: Running) -> None:
    alice = server.register()
    wanted = {"room": {"timeline": {"limit": 5, "types": ["m.room.*"]}}, "event_format": "client"}
    filter_id = alice.post(of(alice), wanted)["filter_id"]
    assert alice.get(of(alice, filter_id)) == wanted
    assert alice.post(of(alice), wanted)["filter_id"] == filter_id


def test_sync_takes_the_id_of_a_filter_and_refuses_an_unknown_one(server: Running) -> None:
    alice = server.register()
    room_id = alice.create_room()
    for number in range(4):
        alice.send(room_id, f"message {number}")
    filter_id = alice.post(of(alice), {"room": {"timeline": {"limit": 2}}})["filter_id"]

    timeline = alice.sync(filter=filter_id)["rooms"]["join"][room_id]["timeline"]["events"]
    assert [event["content"]["body"] for event in timeline] == ["message 2", "message 3"]
    refused(alice.request("GET", "/sync", filter="unknown"), 400, "M_INVALID_PARAM")


def test_a_bad_filter_is_refused_with_the_place_of_the_fault(server: Running) -> None:
    alice = server.register()
    answer = alice.request("POST", of(alice), {"room": {"timeline": {"limit": "many"}}})
    assert "limit" in refused(answer, 400, "M_BAD_JSON")["error"]


def test_filters_of_others_are_closed(server: Running) -> None:
    alice, eve = server.register(), server.register()
    filter_id = alice.post(of(alice), {"room": {}})["filter_id"]
    refused(eve.request("GET", of(alice, filter_id)), 403, "M_FORBIDDEN")
    refused(eve.request("POST", of(alice), {}), 403, "M_FORBIDDEN")
    refused(eve.request("GET", of(eve, filter_id)), 404, "M_NOT_FOUND")
