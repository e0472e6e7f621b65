"""Two servers that share a room tell each other what happens in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.federation.country import Member
from tests.federation.talking import share_room, texts, wait_for
from tests.running import Person


def test_messages_go_both_ways(pair: tuple[Member, Member]) -> None:
    a, b = pair
    alice, bob = a.register("alice"), b.register("bob")
    room_id = share_room(a.name, alice, bob)
    alice.send(room_id, "سلام")
    assert texts(bob, room_id, 1) == ["سلام"]
    bob.send(room_id, "hello")
    assert texts(alice, room_id, 2) == ["سلام", "hello"]


@dataclass(frozen=True)
class Talk:
    a: Member
    b: Member
    alice: Person
    bob: Person
    room_id: str


@pytest.fixture(scope="module")
def talk(pair: tuple[Member, Member]) -> Talk:
    """A room of two people of two servers."""
    a, b = pair
    alice, bob = a.register("alice"), b.register("bob")
    room_id = share_room(a.name, alice, bob)
    alice.send(room_id, "first")
    texts(bob, room_id, 1)
    return Talk(a, b, alice, bob, room_id)


def ephemeral(answer: Any, room_id: str, kind: str) -> list[Any]:
    room = answer.get("rooms", {}).get("join", {}).get(room_id, {})
    return [e["content"] for e in room.get("ephemeral", {}).get("events", ()) if e["type"] == kind]


def test_typing_is_shown_elsewhere_until_it_ends(talk: Talk) -> None:
    path = f"/rooms/{talk.room_id}/typing/{talk.alice.user_id}"

    def typists(answer: Any) -> list[Any]:
        return [content["user_ids"] for content in ephemeral(answer, talk.room_id, "m.typing")]

    talk.alice.put(path, {"typing": True, "timeout": 60_000})
    wait_for(talk.bob, lambda answer: [talk.alice.user_id] in typists(answer))
    since = talk.bob.sync()["next_batch"]
    talk.alice.put(path, {"typing": False})
    wait_for(talk.bob, lambda answer: typists(answer) == [[]], since)


def test_receipts_are_shown_elsewhere(talk: Talk) -> None:
    event_id = talk.alice.send(talk.room_id, "read me")
    texts(talk.bob, talk.room_id, 2)
    talk.bob.post(f"/rooms/{talk.room_id}/receipt/m.read/{event_id}")
    talk.bob.post(f"/rooms/{talk.room_id}/receipt/m.read/{event_id}", {"thread_id": "main"})

    def marks(answer: Any) -> bool:
        found = [
            mark.get("thread_id")
            for content in ephemeral(answer, talk.room_id, "m.receipt")
            for user_id, mark in content.get(event_id, {}).get("m.read", {}).items()
            if user_id == talk.bob.user_id
        ]
        seen.update(found)
        return seen >= {None, "main"}

    seen: set[str | None] = set()
    wait_for(talk.alice, marks)


def test_presence_is_shown_elsewhere(talk: Talk) -> None:
    path = f"/presence/{talk.bob.user_id}/status"
    talk.bob.put(path, {"presence": "unavailable", "status_msg": "چای"})

    def shown(answer: Any) -> bool:
        events = answer.get("presence", {}).get("events", ())
        return any(
            event["sender"] == talk.bob.user_id and event["content"].get("status_msg") == "چای"
            for event in events
        )

    wait_for(talk.alice, shown)


def test_messages_reach_devices_elsewhere_in_order_and_once(talk: Talk) -> None:
    for number in range(150):
        messages = {talk.bob.user_id: {talk.bob.device_id: {"number": number}}}
        talk.alice.put(f"/sendToDevice/org.example.test/to-{number}", {"messages": messages})
    everybody = {talk.bob.user_id: {"*": {"number": "all"}}, talk.alice.user_id: {"*": {"number": "own"}}}
    talk.alice.put("/sendToDevice/org.example.test/to-all", {"messages": everybody})
    got: list[Any] = []

    def numbers(answer: Any) -> bool:
        got.extend(event["content"]["number"] for event in answer.get("to_device", {}).get("events", ()))
        return len(got) >= 151

    wait_for(talk.bob, numbers)
    assert got == [*range(150), "all"]


def test_who_shares_a_room_hears_of_new_devices_elsewhere(talk: Talk) -> None:
    talk.alice.put(f"/rooms/{talk.room_id}/state/m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})

    def is_encrypted(_answer: Any) -> bool:
        state = talk.bob.get(f"/rooms/{talk.room_id}/state")
        return any(event["type"] == "m.room.encryption" for event in state)

    wait_for(talk.bob, is_encrypted)
    since = talk.bob.sync()["next_batch"]
    talk.a.log_in(talk.alice)
    keys = {
        "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "device_id": talk.alice.device_id,
        "user_id": talk.alice.user_id,
        "keys": {
            f"curve25519:{talk.alice.device_id}": "x" * 43,
            f"ed25519:{talk.alice.device_id}": "y" * 43,
        },
        "signatures": {talk.alice.user_id: {f"ed25519:{talk.alice.device_id}": "z" * 86}},
    }
    talk.alice.post("/keys/upload", {"device_keys": keys})
    for _ in range(20):
        answer = talk.bob.sync(since, timeout=3_000)
        since = answer["next_batch"]
        if talk.alice.user_id in answer.get("device_lists", {}).get("changed", ()):
            return
    raise AssertionError("nobody told that the devices changed")
