"""Hostile and careless requests for sliding sync: each is refused with the right error, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.http.api.client.sliding_sync_body import MAX_BODY_BYTES
from hamrasan.sync.sliding.connection_registry import MAX_CONNECTIONS_PER_DEVICE
from tests.running import Person, refused
from tests.sliding import EXPERIMENTAL, STABLE, Connection, StableConnection, every_room

ROOM_LIST = {"range": [0, 9], "timeline_limit": 1, "required_state": {}}


def with_list(**changes: Any) -> dict[str, Any]:
    return {"lists": {"all": every_room(**changes)}}


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (with_list(ranges=[[5, 2]]), "M_INVALID_PARAM"),
        (with_list(ranges=[[-1, 2]]), "M_BAD_JSON"),
        (with_list(ranges=[[0]]), "M_BAD_JSON"),
        (with_list(ranges=[[0, 1, 2]]), "M_BAD_JSON"),
        (with_list(ranges=[[0.5, 1]]), "M_BAD_JSON"),
        (with_list(ranges=[[0, "1"]]), "M_BAD_JSON"),
        (with_list(ranges=[0, 1]), "M_BAD_JSON"),
        (with_list(ranges=[[0, 1]] * 21), "M_INVALID_PARAM"),
        (with_list(limit=-1), "M_BAD_JSON"),
        (with_list(limit="1"), "M_BAD_JSON"),
        (with_list(required_state=[["m.room.name"]]), "M_BAD_JSON"),
        (with_list(required_state={"include": []}), "M_BAD_JSON"),
        (with_list(required_state=[["a", str(n)] for n in range(1001)]), "M_INVALID_PARAM"),
        (with_list(filters={"is_dm": "yes"}), "M_BAD_JSON"),
        (with_list(filters={"tags": "m.favourite"}), "M_BAD_JSON"),
        (with_list(filters={"spaces": [str(n) for n in range(1001)]}), "M_INVALID_PARAM"),
        ({"lists": {str(n): every_room() for n in range(101)}}, "M_INVALID_PARAM"),
        ({"lists": []}, "M_BAD_JSON"),
        ({"lists": {"x" * 256: every_room()}}, "M_INVALID_PARAM"),
        ({"room_subscriptions": {f"!{n}:x": {} for n in range(1001)}}, "M_INVALID_PARAM"),
        ({"room_subscriptions": {"!a:x": []}}, "M_BAD_JSON"),
        ({"conn_id": "x" * 256}, "M_INVALID_PARAM"),
        ({"conn_id": 5}, "M_BAD_JSON"),
        ({"extensions": {"to_device": {"enabled": "yes"}}}, "M_BAD_JSON"),
        ({"extensions": {"receipts": {"enabled": True, "rooms": "*"}}}, "M_BAD_JSON"),
        ({"extensions": {"typing": {"enabled": True, "lists": ["x"] * 1001}}}, "M_INVALID_PARAM"),
    ],
)
def test_what_is_malformed_is_refused(alice: Person, body: Any, errcode: str) -> None:
    room_id = alice.create_room()
    connection = Connection(alice)
    connection.rooms()
    alice.send(room_id, "kept")
    refused(connection.request(**body), 400, errcode)
    assert connection.rooms().keys() == {room_id}, "a refusal takes no news away"


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"lists": {"all": {**ROOM_LIST, "range": [5, 2]}}}, "M_INVALID_PARAM"),
        ({"lists": {"all": {**ROOM_LIST, "range": [[0, 1]]}}}, "M_BAD_JSON"),
        ({"lists": {"all": {"range": [0, 1], "required_state": {}}}}, "M_MISSING_PARAM"),
        ({"lists": {"all": {"timeline_limit": 1}}}, "M_MISSING_PARAM"),
        ({"lists": {"all": {**ROOM_LIST, "required_state": [["*", "*"]]}}}, "M_BAD_JSON"),
        ({"lists": {"no blanks": ROOM_LIST}}, "M_INVALID_PARAM"),
        ({"lists": {"": ROOM_LIST}}, "M_INVALID_PARAM"),
        ({"lists": {str(n): ROOM_LIST for n in range(101)}}, "M_INVALID_PARAM"),
        (
            {
                "room_subscriptions": {
                    f"!{n}:x": {"timeline_limit": 1, "required_state": {}} for n in range(101)
                }
            },
            "M_INVALID_PARAM",
        ),
        ({"set_presence": "asleep"}, "M_INVALID_PARAM"),
        ({"timeout": -1}, "M_BAD_JSON"),
        ({"timeout": "1"}, "M_BAD_JSON"),
        ({"pos": 5}, "M_BAD_JSON"),
        ({"pos": "p1_1_abc_1"}, "M_UNKNOWN_POS"),
    ],
)
def test_what_is_malformed_is_refused_in_the_proposals_form(alice: Person, body: Any, errcode: str) -> None:
    refused(StableConnection(alice).request(**body), 400, errcode)


@pytest.mark.parametrize("address", [STABLE, EXPERIMENTAL])
def test_who_has_no_token_is_not_let_in(alice: Person, address: str) -> None:
    with_token = alice.http.headers.pop("Authorization")
    refused(alice.request("POST", address, {}), 401, "M_MISSING_TOKEN")
    alice.http.headers["Authorization"] = with_token


@pytest.mark.parametrize("query", [{"timeout": "x"}, {"timeout": "-1"}, {"set_presence": "asleep"}])
def test_bad_queries(alice: Person, query: dict[str, str]) -> None:
    refused(alice.request("POST", EXPERIMENTAL, {}, **query), 400, "M_INVALID_PARAM")


def test_large_numbers_are_lowered(alice: Person) -> None:
    alice.create_room()
    huge = 2**53 - 1
    assert len(Connection(alice).rooms(limit=huge, last=huge)) == 1
    beyond = every_room() | {"ranges": [[huge - 1, huge], [50, 60]]}
    answer = Connection(alice).sync(lists={"all": beyond})
    assert (answer["rooms"], answer["lists"]) == ({}, {"all": {"count": 1}})


def test_many_lists_and_subscriptions_at_once(alice: Person) -> None:
    room_id = alice.create_room()
    subscription = {"timeline_limit": 1, "required_state": []}
    answer = Connection(alice).sync(
        lists={f"list{n}": every_room(required_state=[["m.room.name", str(n)]]) for n in range(100)},
        room_subscriptions={room_id: subscription} | {f"!{n}:x": subscription for n in range(999)},
    )
    assert answer["rooms"].keys() == {room_id}
    assert len(answer["lists"]) == 100


def test_a_flood_of_connections_ends_the_oldest_ones_of_the_device(alice: Person) -> None:
    connections = [Connection(alice, str(number)) for number in range(MAX_CONNECTIONS_PER_DEVICE)]
    for connection in connections:
        connection.rooms()
    connections[0].rooms()
    Connection(alice, "one more").rooms()
    refused(connections[1].request(), 400, "M_UNKNOWN_POS")
    for connection in (connections[0], *connections[2:]):
        assert connection.request().status_code == 200


def test_a_device_that_was_logged_out_leaves_no_connection(server: Any, alice: Person) -> None:
    other = server.log_in(alice)
    Connection(other).rooms()
    before = len(server.server.services.sliding_sync.connections)
    other.post("/logout")
    assert len(server.server.services.sliding_sync.connections) == before - 1


@pytest.mark.parametrize("address", [STABLE, EXPERIMENTAL])
def test_a_body_that_is_too_large_is_refused(alice: Person, address: str) -> None:
    body = {"extensions": {"org.example": "x" * MAX_BODY_BYTES}}
    refused(alice.request("POST", address, body), 413, "M_TOO_LARGE")
