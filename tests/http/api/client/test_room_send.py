"""Sending messages, state and redactions."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from tests.reading import room_path, set_state
from tests.rooms_over_http import VERSIONS, act, state_of, timeline
from tests.running import Person, Running, answered, refused


def put(
    person: Person, room_id: str, txn_id: str, content: Any, kind: str = "m.room.message"
) -> httpx.Response:
    return person.request("PUT", room_path(room_id, "send", kind, txn_id), content)


def ids(person: Person, room_id: str) -> list[str]:
    return [event["event_id"] for event in timeline(person, room_id)]


# Messages.


def test_a_repeated_transaction_is_answered_with_the_first_event(
    server: Running, alice: Person, bob: Person
) -> None:
    room_id, other = alice.create_room(preset="public_chat"), alice.create_room()
    bob.join(room_id)
    first = answered(put(alice, room_id, "t1", {"body": "once"}))
    before = ids(alice, room_id)
    assert answered(put(alice, room_id, "t1", {"body": "once"})) == first
    assert answered(put(alice, room_id, "t1", {"body": "changed"})) == first
    assert ids(alice, room_id) == before
    tablet = server.log_in(alice)
    for response in (
        put(alice, room_id, "t2", {"body": "once"}),
        put(alice, other, "t1", {"body": "once"}),
        put(bob, room_id, "t1", {"body": "once"}),
        put(tablet, room_id, "t1", {"body": "once"}),
    ):
        assert answered(response) != first


def test_who_is_outside_cannot_send(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat", invite=[bob.user_id])
    refused(put(bob, room_id, "t", {"body": "invited"}), 403, "M_FORBIDDEN")
    bob.join(room_id)
    answered(put(bob, room_id, "t", {"body": "inside"}))
    answered(act(bob, room_id, "leave"))
    before = ids(alice, room_id)
    refused(put(bob, room_id, "t3", {"body": "left"}), 403, "M_FORBIDDEN")
    refused(put(bob, "!unknown:x", "t", {"body": "x"}), 403, "M_FORBIDDEN")
    assert ids(alice, room_id) == before


def test_rights_decide_about_types(alice: Person, bob: Person) -> None:
    levels = {"events_default": 10, "events": {"com.example.open": 0}}
    room_id = alice.create_room(preset="public_chat", power_level_content_override=levels)
    bob.join(room_id)
    refused(put(bob, room_id, "t1", {}), 403, "M_FORBIDDEN")
    answered(put(bob, room_id, "t1", {}, "com.example.open"))


@pytest.mark.parametrize(
    ("content", "errcode"),
    [
        ({"body": 1.5}, "M_BAD_JSON"),
        ({"body": 2**53}, "M_BAD_JSON"),
        ([], "M_BAD_JSON"),
        ({"body": "x" * 66_000}, "M_TOO_LARGE"),
    ],
)
def test_contents_that_no_event_can_have(alice: Person, content: Any, errcode: str) -> None:
    room_id = alice.create_room()
    before = ids(alice, room_id)
    response = put(alice, room_id, "t", content)
    refused(response, 413 if errcode == "M_TOO_LARGE" else 400, errcode)
    assert ids(alice, room_id) == before
    answered(put(alice, room_id, "t", {"body": "the transaction was not used up"}))


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": NaN}', b"\xff", b'{"body": "\\ud800"}'])
def test_bodies_that_are_no_json(alice: Person, body: bytes) -> None:
    room_id = alice.create_room()
    url = "/_matrix/client/v3" + room_path(room_id, "send", "m.room.message", "t")
    answer = alice.http.put(url, content=body)
    assert answer.status_code == 400
    assert answer.json()["errcode"] in ("M_NOT_JSON", "M_BAD_JSON")


@pytest.mark.parametrize("kind", ["m.room.create", "m.room.member", "t" * 256])
def test_types_that_are_no_messages(alice: Person, kind: str) -> None:
    room_id = alice.create_room()
    before = ids(alice, room_id)
    assert put(alice, room_id, "t", {"membership": "join"}, kind).status_code in (403, 413)
    assert ids(alice, room_id) == before


def test_a_transaction_id_has_a_limit(alice: Person) -> None:
    room_id = alice.create_room()
    refused(put(alice, room_id, "t" * 256, {}), 400, "M_INVALID_PARAM")
    answered(put(alice, room_id, "t" * 255, {}))


# Reactions and threads.


def reaction(parent: str, key: str = "👍", **more: Any) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": parent, "key": key}, **more}


def test_the_same_reaction_is_not_made_twice(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    parent, other = alice.send(room_id, "hello"), alice.send(room_id, "again")
    first = answered(put(alice, room_id, "r1", reaction(parent), "m.reaction"))
    assert answered(put(alice, room_id, "r1", reaction(parent), "m.reaction")) == first  # the same request
    before = ids(alice, room_id)
    refused(put(alice, room_id, "r2", reaction(parent), "m.reaction"), 400, "M_DUPLICATE_ANNOTATION")
    refused(put(alice, room_id, "r3", reaction(parent, x=1), "m.reaction"), 400, "M_DUPLICATE_ANNOTATION")
    assert ids(alice, room_id) == before
    for person, target, key, kind in (
        (alice, parent, "👎", "m.reaction"),
        (alice, other, "👍", "m.reaction"),
        (alice, parent, "👍", "com.example.reaction"),
        (bob, parent, "👍", "m.reaction"),
    ):
        answered(put(person, room_id, f"x{key}{kind}{target}", reaction(target, key), kind))
    answered(alice.request("PUT", room_path(room_id, "redact", first["event_id"], "redacted"), {}))
    answered(put(alice, room_id, "r4", reaction(parent), "m.reaction"))


def test_of_reactions_at_the_same_time_one_is_made(alice: Person) -> None:
    room_id = alice.create_room()
    parent = alice.send(room_id, "hello")
    outcomes: list[int] = []

    def react(number: int) -> None:
        outcomes.append(put(alice, room_id, f"same{number}", reaction(parent), "m.reaction").status_code)

    threads = [threading.Thread(target=react, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [200, *[400] * 5]
    assert [event["type"] for event in timeline(alice, room_id)].count("m.reaction") == 1


def test_a_thread_starts_at_an_event_without_a_relation(alice: Person) -> None:
    room_id, elsewhere = alice.create_room(), alice.create_room()
    root, outside = alice.send(room_id, "root"), alice.send(elsewhere, "outside")

    def reply(parent: str, txn_id: str) -> httpx.Response:
        content = {"body": "in a thread", "m.relates_to": {"rel_type": "m.thread", "event_id": parent}}
        return put(alice, room_id, txn_id, content)

    first = answered(reply(root, "a"))["event_id"]
    before = ids(alice, room_id)
    refused(reply(first, "b"), 400, "M_UNKNOWN")
    refused(reply(outside, "c"), 400, "M_UNKNOWN")
    assert ids(alice, room_id) == before
    answered(reply(root, "d"))
    answered(reply("$unknown", "e"))


# Redactions.


def redact(person: Person, room_id: str, event_id: str, **content: Any) -> httpx.Response:
    path = room_path(room_id, "redact", event_id, f"r{event_id[:20]}")
    return person.request("PUT", path, content)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("by_send", [True, False])
def test_a_redaction_takes_the_content_and_names_its_event_where_the_version_wants_it(
    alice: Person, version: str, by_send: bool
) -> None:
    room_id = alice.create_room(room_version=version)
    event_id = alice.send(room_id, "secret")
    if by_send:
        content = {"redacts": event_id, "reason": "wrong room"}
        redaction_id = answered(put(alice, room_id, "r", content, "m.room.redaction"))["event_id"]
    else:
        redaction_id = answered(redact(alice, room_id, event_id, reason="wrong room"))["event_id"]
    redacted = alice.get(room_path(room_id, "event", event_id))
    assert redacted["content"] == {}
    because = redacted["unsigned"]["redacted_because"]
    assert (because["event_id"], because["redacts"]) == (redaction_id, event_id)
    expected = {"reason": "wrong room", **({"redacts": event_id} if int(version) >= 11 else {})}
    assert because["content"] == expected


def test_who_may_redact(alice: Person, bob: Person) -> None:
    room_id, elsewhere = alice.create_room(preset="public_chat"), alice.create_room()
    bob.join(room_id)
    alices, bobs, outside = alice.send(room_id, "a"), bob.send(room_id, "b"), alice.send(elsewhere, "c")
    before = ids(alice, room_id)
    refused(redact(bob, room_id, alices), 403, "M_FORBIDDEN")
    refused(redact(alice, room_id, outside), 404, "M_NOT_FOUND")
    refused(redact(alice, room_id, "$unknown"), 404, "M_NOT_FOUND")
    refused(redact(alice, room_id, ids(alice, room_id)[0]), 403, "M_FORBIDDEN")  # the create event
    for content, errcode in (({}, "M_MISSING_PARAM"), ({"redacts": 1}, "M_BAD_JSON")):
        refused(put(alice, room_id, "r", content, "m.room.redaction"), 400, errcode)
    assert ids(alice, room_id) == before
    assert alice.get(room_path(room_id, "event", alices))["content"]["body"] == "a"
    first = answered(redact(bob, room_id, bobs))
    assert answered(redact(bob, room_id, bobs)) == first
    assert len(ids(alice, room_id)) == len(before) + 1


# State.


def test_state_is_set_with_and_without_a_key(alice: Person) -> None:
    room_id = alice.create_room()
    base = room_path(room_id, "state", "com.example.state")
    for path, key, value in ((base, "", 1), (base + "/", "", 2), (base + "/a%2Fb", "a/b", 3)):
        event_id = alice.put(path, {"value": value})["event_id"]
        event = alice.get(room_path(room_id, "event", event_id))
        assert (event["state_key"], event["content"]) == (key, {"value": value})
    state = state_of(alice, room_id)
    assert state["com.example.state", ""] == {"value": 2}
    assert state["com.example.state", "a/b"] == {"value": 3}


def test_state_that_says_the_same_is_the_same_event(alice: Person) -> None:
    room_id = alice.create_room()
    first = set_state(alice, room_id, "m.room.topic", {"topic": "roofs"})
    assert set_state(alice, room_id, "m.room.topic", {"topic": "roofs"}) == first
    assert set_state(alice, room_id, "m.room.topic", {"topic": "cellars"}) != first


def test_what_cannot_be_set(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    before = state_of(alice, room_id)
    refused(
        bob.request("PUT", room_path(room_id, "state", "m.room.name", ""), {"name": "x"}), 403, "M_FORBIDDEN"
    )
    bob.join(room_id)
    for person, kind, key, content, status, errcode in (
        (bob, "m.room.name", "", {"name": "x"}, 403, "M_FORBIDDEN"),
        (alice, "com.example", bob.user_id, {}, 403, "M_FORBIDDEN"),
        (alice, "m.room.create", "", {}, 403, "M_FORBIDDEN"),
        (alice, "m.room.redaction", "", {"redacts": "$x"}, 400, "M_INVALID_PARAM"),
        (alice, "m.room.name", "", {"name": 1.5}, 400, "M_BAD_JSON"),
        (alice, "m.room.name", "k" * 256, {}, 413, "M_TOO_LARGE"),
        (alice, "m.room.power_levels", "", {"ban": "x"}, 403, "M_FORBIDDEN"),
        (alice, "m.room.power_levels", "", {"users": {alice.user_id: 100}}, 403, "M_FORBIDDEN"),
    ):
        refused(person.request("PUT", room_path(room_id, "state", kind, key), content), status, errcode)
    after = state_of(alice, room_id)
    assert after == {**before, ("m.room.member", bob.user_id): {"membership": "join"}}


def test_a_canonical_alias_has_to_point_to_the_room(server: Running, alice: Person) -> None:
    names = [f"{alice.localpart}-{part}" for part in ("here", "too", "there")]
    here, too, there = (f"#{name}:{server.name}" for name in names)
    room_id = alice.create_room(room_alias_name=names[0])
    alice.create_room(room_alias_name=names[2])
    canonical = room_path(room_id, "state", "m.room.canonical_alias", "")
    alice.put(f"/directory/room/{too.replace('#', '%23')}", {"room_id": room_id})
    before = state_of(alice, room_id)
    for content, errcode in (
        ({"alias": there}, "M_BAD_ALIAS"),
        ({"alias": here, "alt_aliases": [there]}, "M_BAD_ALIAS"),
        ({"alias": f"#unknown:{server.name}"}, "M_BAD_ALIAS"),
        ({"alias": "#room:elsewhere.test"}, "M_BAD_ALIAS"),
        ({"alias": "here"}, "M_INVALID_PARAM"),
        ({"alias": 1}, "M_INVALID_PARAM"),
        ({"alt_aliases": here}, "M_INVALID_PARAM"),
        ({"alt_aliases": [1]}, "M_INVALID_PARAM"),
        ({"alt_aliases": [f"#a{n}:x" for n in range(101)]}, "M_INVALID_PARAM"),
    ):
        refused(alice.request("PUT", canonical, content), 400, errcode)
        assert state_of(alice, room_id) == before
    for good in ({"alias": too, "alt_aliases": [here]}, {"alias": None}, {"alt_aliases": [here, too]}, {}):
        alice.put(canonical, good)
    alice.put(canonical, {"alias": here})
    alice.delete(f"/directory/room/{too.replace('#', '%23')}")
    alice.put(canonical, {"alias": here, "note": "what was there before is not asked for again"})
