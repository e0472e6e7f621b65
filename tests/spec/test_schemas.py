"""The check that runs after every request of every test really notices what is wrong."""

from __future__ import annotations

import json

from tests.spec.operations import find_operation, problems_of

WHOAMI = "/_matrix/client/v3/account/whoami"


def test_a_right_answer_passes_and_one_that_lacks_a_member_does_not() -> None:
    right = {"user_id": "@a:example.org", "is_guest": False}
    assert problems_of("GET", WHOAMI, 200, json.dumps(right).encode()) == []
    assert problems_of("GET", WHOAMI, 200, b'{"is_guest":false}')


def test_a_wrong_type_is_noticed_deep_inside() -> None:
    path = "/_matrix/client/v3/rooms/!a:example.org/messages"
    event = {
        "type": "t",
        "event_id": "$e",
        "sender": "@a:b",
        "origin_server_ts": 1,
        "content": {},
        "room_id": "!r:b",
    }
    assert problems_of("GET", path, 200, json.dumps({"start": "t", "chunk": [event]}).encode()) == []
    wrong = {**event, "origin_server_ts": "1"}
    assert problems_of("GET", path, 200, json.dumps({"start": "t", "chunk": [wrong]}).encode())


def test_an_error_has_a_code_and_no_answer_is_an_internal_error() -> None:
    assert problems_of("GET", WHOAMI, 401, b'{"errcode":"M_UNKNOWN_TOKEN","error":"?"}') == []
    assert problems_of("GET", WHOAMI, 401, b'{"error":"?"}')
    assert problems_of("GET", WHOAMI, 500, b'{"errcode":"M_UNKNOWN","error":"?"}')


def test_literal_paths_win_over_parameters() -> None:
    found = find_operation("GET", "/_matrix/client/v3/pushrules/")
    assert found is not None
    assert found.id == "getPushRules"


def test_answers_to_servers_are_looked_at_as_well() -> None:
    path = "/_matrix/federation/v1/query/directory"
    assert problems_of("GET", path, 200, b'{"room_id":"!a:b","servers":["b"]}') == []
    assert problems_of("GET", path, 200, b'{"room_id":"!a:b"}')
    found = find_operation("GET", "/_matrix/federation/v1/publicRooms")
    assert found is not None
    assert found.id == "federation:getPublicRooms"
