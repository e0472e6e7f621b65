"""Messages from device to device: in order, once, until they are received."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.running import Person, Running, refused, running

TYPE = "m.room_key_request"


def send(person: Person, txn_id: str, messages: dict[str, dict[str, Any]], event_type: str = TYPE) -> None:
    assert person.put(f"/sendToDevice/{event_type}/{txn_id}", {"messages": messages}) == {}


def received(answer: Any) -> list[Any]:
    return [event["content"]["n"] for event in answer.get("to_device", {}).get("events", [])]


def test_a_message_reaches_its_device_and_no_other(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    tablet = server.log_in(bob)
    since = {person: person.sync()["next_batch"] for person in (bob, tablet)}
    send(alice, "1", {bob.user_id: {tablet.device_id: {"n": 1}, "UNKNOWN": {"n": 2}}})
    answer = tablet.sync(since[tablet], timeout=20_000)
    assert answer["to_device"]["events"] == [{"type": TYPE, "sender": alice.user_id, "content": {"n": 1}}]
    assert received(tablet.sync(since[tablet])) == [1], "the answer may have been lost"
    assert "to_device" not in tablet.sync(answer["next_batch"])
    assert "to_device" not in bob.sync(since[bob])


def test_a_star_means_every_device(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    tablet = server.log_in(bob)
    send(alice, "1", {bob.user_id: {"*": {"n": 1}}, alice.user_id: {"*": {"n": 2}}})
    assert [received(person.sync()) for person in (bob, tablet, alice)] == [[1], [1], [2]]


def test_messages_come_in_order_and_many_of_them_in_several_answers(alice: Person, bob: Person) -> None:
    since = bob.sync()["next_batch"]
    for number in range(250):
        send(alice, f"t{number}", {bob.user_id: {bob.device_id: {"n": number}}})
    numbers: list[int] = []
    for _ in range(3):
        answer = bob.sync(since)
        assert 0 < len(received(answer)) <= 100
        numbers += received(answer)
        since = answer["next_batch"]
    assert numbers == list(range(250))
    assert "to_device" not in bob.sync(since)


def test_a_repeated_transaction_sends_once(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    tablet = server.log_in(alice)
    for sender in (alice, alice, tablet):
        send(sender, "same", {bob.user_id: {bob.device_id: {"n": sender.device_id}}})
    assert received(bob.sync()) == [alice.device_id, tablet.device_id]


def test_what_waits_outlives_a_restart_and_what_was_received_is_gone(tmp_path: Path) -> None:
    def back(server: Running, person: Person) -> Person:
        return Person(server.url, person.user_id, person.device_id, person.token)

    with running(tmp_path) as server:
        alice, bob = server.register("alice"), server.register("bob")
        send(alice, "1", {bob.user_id: {bob.device_id: {"n": 1}}})
        since = bob.sync()["next_batch"]
        bob.sync(since)
        for number in range(2, 130):
            send(alice, str(number), {bob.user_id: {bob.device_id: {"n": number}}})
        first = bob.sync(since)
        assert received(first) == list(range(2, 102))
    with running(tmp_path) as server:
        alice, bob = back(server, alice), back(server, bob)
        send(alice, "129", {bob.user_id: {bob.device_id: {"n": 129}}})
        rest = bob.sync(first["next_batch"])
        assert received(rest) == list(range(102, 130))
        assert received(bob.sync()) == list(range(102, 130)), "what came before has been received"
        bob.sync(rest["next_batch"])
        assert received(bob.sync()) == []
        for person in (alice, bob):
            person.http.close()


def test_what_waits_goes_with_the_device(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    tablet = server.log_in(bob, device_id="TABLET")
    send(alice, "1", {bob.user_id: {"TABLET": {"n": 1}}})
    tablet.post("/logout")
    assert received(server.log_in(bob, device_id="TABLET").sync()) == []


def test_messages_without_their_form_are_refused(alice: Person, bob: Person) -> None:
    path = f"/sendToDevice/{TYPE}/1"
    for body, errcode in (
        ({}, "M_MISSING_PARAM"),
        ({"messages": []}, "M_BAD_JSON"),
        ({"messages": {bob.user_id: {"*": "text"}}}, "M_BAD_JSON"),
    ):
        refused(alice.request("PUT", path, body), 400, errcode)
    large = {"messages": {bob.user_id: {bob.device_id: {"n": "x" * 70_000}}}}
    refused(alice.request("PUT", path, large), 413, "M_TOO_LARGE")
    assert received(bob.sync()) == []


def test_users_of_other_servers_are_passed_over(alice: Person, bob: Person) -> None:
    send(alice, "1", {"@x:elsewhere.example": {"*": {"n": 0}}, bob.user_id: {"*": {"n": 1}}})
    assert received(bob.sync()) == [1]
