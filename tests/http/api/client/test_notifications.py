"""Listing what one was notified of."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from hamrasan.push import history
from tests.reading import ignore, leave, redact, reply_in_thread, room_path
from tests.running import Person, Running, refused


@pytest.fixture(name="room_id")
def _room(alice: Person, bob: Person) -> str:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    return room_id


def notifications(person: Person, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = person.get("/notifications", **query)["notifications"]
    return found


def ids(person: Person, **query: Any) -> list[str]:
    return [each["event"]["event_id"] for each in notifications(person, **query)]


def mention(sender: Person, room_id: str, whom: Person) -> str:
    content: dict[str, Any] = {"m.mentions": {"user_ids": [whom.user_id]}}
    return sender.send(room_id, "you", **content)


def test_messages_of_others_are_listed_the_latest_first(alice: Person, bob: Person, room_id: str) -> None:
    assert notifications(bob) == []
    said = [alice.send(room_id, f"{number}") for number in range(3)]
    bob.send(room_id, "own")
    alice.send(room_id, "a notice", msgtype="m.notice")
    redact(alice, room_id, alice.send(room_id, "taken back"))
    found = notifications(bob)
    assert [each["event"]["event_id"] for each in found] == said[::-1]
    (first, *_) = found
    assert first["room_id"] == room_id
    assert first["event"]["content"]["body"] == "2"
    assert "room_id" not in first["event"]
    assert first["ts"] == first["event"]["origin_server_ts"]
    assert first["actions"] == ["notify", {"set_tweak": "sound", "value": "default"}], "a room of two"
    assert notifications(alice)[0]["event"]["content"]["body"] == "own"


def test_pages_lead_on_through_all_rooms(alice: Person, bob: Person, room_id: str) -> None:
    other = alice.create_room(preset="public_chat")
    bob.join(other)
    said = [alice.send((room_id, other)[number % 3 == 0], f"{number}") for number in range(11)]
    found: list[str] = []
    query: dict[str, Any] = {}
    for _ in range(9):
        answer = bob.get("/notifications", limit=3, **query)
        found += [each["event"]["event_id"] for each in answer["notifications"]]
        if "next_token" not in answer:
            break
        query = {"from": answer["next_token"]}
    assert found == said[::-1]


def test_an_answer_is_short_where_much_has_to_be_looked_at(alice: Person, bob: Person, room_id: str) -> None:
    mentioned = mention(alice, room_id, bob)
    for number in range(10):
        alice.send(room_id, f"{number}")
    with patch.object(history, "MAX_EXAMINED", 5):
        answer = bob.get("/notifications", only="highlight")
        assert answer["notifications"] == []
    assert ids(bob, only="highlight", **{"from": answer["next_token"]}) == [mentioned]


def test_only_what_highlights(alice: Person, bob: Person, room_id: str) -> None:
    alice.send(room_id, "nobody")
    mentioned = mention(alice, room_id, bob)
    alice.send(room_id, "nobody")
    (found,) = notifications(bob, only="highlight")
    assert found["event"]["event_id"] == mentioned
    assert {"set_tweak": "highlight"} in found["actions"]
    rule = {"pattern": "چای", "actions": ["notify", {"set_tweak": "highlight"}]}
    bob.put("/pushrules/global/content/tea", rule)
    tea = alice.send(room_id, "وقت چای")
    assert ids(bob, only="highlight") == [tea, mentioned]


def test_what_was_read_says_so(alice: Person, bob: Person, room_id: str) -> None:
    said = [alice.send(room_id, f"{number}") for number in range(3)]

    def read() -> list[bool]:
        return [each["read"] for each in notifications(bob)][::-1]

    assert read() == [False, False, False]
    bob.post(room_path(room_id, "receipt", "m.read.private", said[0]), {})
    assert read() == [True, False, False]
    bob.post(room_path(room_id, "receipt", "m.read", said[1]), {"thread_id": "main"})
    assert read() == [True, True, False]
    in_thread = reply_in_thread(alice, room_id, said[0], "aside")
    bob.send(room_id, "sending is reading")
    assert read() == [True, True, True, False]
    bob.post(room_path(room_id, "receipt", "m.read", in_thread), {"thread_id": said[0]})
    assert read() == [True, True, True, True]


def test_invitations_are_listed_until_they_are_answered(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(name="Secret")
    alice.send(room_id, "before")
    alice.invite(room_id, bob)
    (found,) = notifications(bob)
    assert (found["room_id"], found["event"]["state_key"], found["read"]) == (room_id, bob.user_id, False)
    leave(bob, room_id)
    assert notifications(bob) == []


def test_only_the_present_stay_in_a_room_counts(alice: Person, bob: Person, room_id: str) -> None:
    alice.send(room_id, "first stay")
    leave(bob, room_id)
    assert notifications(bob) == []
    alice.send(room_id, "meanwhile")
    bob.join(room_id)
    said = alice.send(room_id, "second stay")
    assert ids(bob) == [said]


def test_ignored_people_and_muted_rooms_are_not_listed(
    alice: Person, bob: Person, carol: Person, room_id: str
) -> None:
    carol.join(room_id)
    carol.send(room_id, "unheard")
    said = alice.send(room_id, "heard")
    ignore(bob, carol)
    assert ids(bob) == [said]
    bob.put(f"/pushrules/global/room/{room_id}", {"actions": []})
    assert ids(bob) == []


@pytest.mark.parametrize("query", [{"from": "nonsense"}, {"limit": 0}, {"limit": "x"}, {"only": "some"}])
def test_what_cannot_be_understood_is_refused(alice: Person, query: dict[str, Any]) -> None:
    refused(alice.request("GET", "/notifications", **query), 400, "M_INVALID_PARAM")


def test_listing_needs_a_user(server: Running) -> None:
    with server.anonymous() as http:
        refused(http.get("/_matrix/client/v3/notifications"), 401, "M_MISSING_TOKEN")
