"""Events and states for servers in the room, as far as their users may see them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.federation.country import Member
from tests.federation.visitors import Visitor
from tests.running import PASSWORD, Person, answered, refused


def shared(person: Person, visitor: Visitor, who: str, **options: Any) -> str:
    """Make a room that a user of another server is in."""
    room_id = person.create_room(preset="public_chat", **options)
    visitor.join(room_id, visitor.user(who))
    return room_id


def hide_history(person: Person, room_id: str, visibility: str) -> None:
    person.put(f"/rooms/{room_id}/state/m.room.history_visibility", {"history_visibility": visibility})


def event_of(visitor: Visitor, event_id: str) -> dict[str, Any]:
    answer = visitor.get(f"/event/{quote(event_id)}")
    assert answer["origin"] == visitor.host.name
    (pdu,) = answer["pdus"]
    found: dict[str, Any] = pdu
    return found


def test_an_event_comes_as_its_server_signed_it(
    alice: Person, there: Visitor, elsewhere: Visitor, here: Member
) -> None:
    room_id = shared(alice, there, "reader")
    event_id = alice.send(room_id, "سلام")
    pdu = event_of(there, event_id)
    assert pdu["content"]["body"] == "سلام"
    assert there.event_id(pdu, "12") == event_id
    assert list(pdu["signatures"]) == [here.name]
    refused(elsewhere.request("GET", f"/event/{event_id}"), 403, "M_FORBIDDEN")
    refused(there.request("GET", "/event/$nothing"), 404, "M_NOT_FOUND")
    refused(there.request("GET", "/event/%20"), 404, "M_NOT_FOUND")


def test_what_a_server_may_not_see_comes_redacted(alice: Person, there: Visitor) -> None:
    room_id = alice.create_room(preset="public_chat")
    shared_then = alice.send(room_id, "for everybody")
    hide_history(alice, room_id, "joined")
    hidden = alice.send(room_id, "among us")
    there.join(room_id, there.user("curious"))
    seen = alice.send(room_id, "welcome")
    assert event_of(there, shared_then)["content"]["body"] == "for everybody"
    assert event_of(there, seen)["content"]["body"] == "welcome"
    pdu = event_of(there, hidden)
    assert pdu["content"] == {}
    assert there.event_id(pdu, "12") == hidden
    # The same in every way of asking.
    answer = there.get(f"/backfill/{room_id}", v=[seen], limit=10)
    bodies = [pdu["content"].get("body") for pdu in answer["pdus"] if pdu["type"] == "m.room.message"]
    assert bodies == ["welcome", None, "for everybody"]
    missing = answered(
        there.request(
            "POST",
            f"/get_missing_events/{room_id}",
            {"latest_events": [seen], "earliest_events": [shared_then], "limit": 10},
        )
    )["events"]
    assert [pdu["content"] for pdu in missing if pdu["type"] == "m.room.message"] == [{}]
    # The beginning of the room is no secret: without it nobody could judge anything.
    create = there.get(f"/backfill/{room_id}", v=[hidden], limit=100)["pdus"][-1]
    assert (create["type"], create["content"]["room_version"]) == ("m.room.create", "12")
    there.change("leave", room_id, there.user("curious"))
    refused(there.request("GET", f"/event/{seen}"), 403, "M_FORBIDDEN")


def test_an_invite_opens_history_for_those_invited(alice: Person, there: Visitor) -> None:
    room_id, guest = alice.create_room(preset="public_chat"), there.user("guest")
    hide_history(alice, room_id, "invited")
    before = alice.send(room_id, "before")
    alice.post(f"/rooms/{room_id}/invite", {"user_id": guest})
    invited = alice.send(room_id, "invited")
    there.join(room_id, guest)
    assert event_of(there, before)["content"] == {}
    assert event_of(there, invited)["content"]["body"] == "invited"


def test_one_of_several_users_is_enough_to_see(alice: Person, there: Visitor) -> None:
    room_id = alice.create_room(preset="public_chat")
    hide_history(alice, room_id, "joined")
    there.join(room_id, there.user("one"))
    first = alice.send(room_id, "one is here")
    there.join(room_id, there.user("two"))
    there.change("leave", room_id, there.user("one"))
    second = alice.send(room_id, "the other is here")
    assert [event_of(there, each)["content"]["body"] for each in (first, second)] == [
        "one is here",
        "the other is here",
    ]


def test_what_erased_users_wrote_is_given_to_nobody_who_came_later(
    alice: Person, bob: Person, there: Visitor, elsewhere: Visitor
) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    there.join(room_id, there.user("witness"))
    event_id = bob.send(room_id, "mine")
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": bob.user_id},
        "password": PASSWORD,
    }
    since = alice.sync()["next_batch"]
    bob.post("/account/deactivate", {"auth": auth, "erase": True})
    while bob.user_id in alice.get(f"/rooms/{room_id}/joined_members")["joined"]:
        since = alice.next_of_room(since, room_id)[1]
    elsewhere.join(room_id, elsewhere.user("later"))
    assert event_of(there, event_id)["content"]["body"] == "mine"
    assert event_of(elsewhere, event_id)["content"] == {}


@pytest.mark.parametrize("version", ["4", "12"])
def test_the_state_before_an_event(alice: Person, there: Visitor, version: str) -> None:
    room_id = shared(alice, there, "state", room_version=version, name="one")
    first = alice.send(room_id, "first")
    rename = alice.put(f"/rooms/{room_id}/state/m.room.name", {"name": "two"})["event_id"]
    after = alice.send(room_id, "after")
    names = []
    for event_id in (first, rename, after):
        answer = there.get(f"/state/{room_id}", event_id=event_id)
        names += [pdu["content"]["name"] for pdu in answer["pdus"] if pdu["type"] == "m.room.name"]
        ids = there.get(f"/state_ids/{room_id}", event_id=event_id)
        assert ids["pdu_ids"] == [there.event_id(pdu, version) for pdu in answer["pdus"]]
        assert ids["auth_chain_ids"] == [there.event_id(pdu, version) for pdu in answer["auth_chain"]]
        cited = {each for pdu in answer["pdus"] for each in pdu["auth_events"]}
        assert cited <= set(ids["auth_chain_ids"])
    assert names == ["one", "one", "two"]


def test_states_are_for_servers_in_the_room_and_of_events_in_it(
    alice: Person, there: Visitor, elsewhere: Visitor
) -> None:
    room_id, other = shared(alice, there, "member"), alice.create_room()
    event_id, secret = alice.send(room_id, "here"), alice.send(other, "there")
    for path in (f"/state/{room_id}", f"/state_ids/{room_id}"):
        refused(there.request("GET", path), 400, "M_MISSING_PARAM")
        refused(there.request("GET", path, event_id="$nothing"), 404, "M_NOT_FOUND")
        refused(there.request("GET", path, event_id=secret), 404, "M_NOT_FOUND")
        refused(elsewhere.request("GET", path, event_id=event_id), 403, "M_FORBIDDEN")
    refused(there.request("GET", f"/state/{other}", event_id=secret), 403, "M_FORBIDDEN")
    refused(there.request("GET", "/state/!nowhere", event_id=secret), 404, "M_NOT_FOUND")


def test_what_authorises_an_event(alice: Person, there: Visitor, elsewhere: Visitor) -> None:
    room_id, other = shared(alice, there, "auth"), alice.create_room()
    event_id = alice.send(room_id, "who may say this?")
    chain = there.get(f"/event_auth/{room_id}/{event_id}")["auth_chain"]
    assert {pdu["type"] for pdu in chain} >= {"m.room.create", "m.room.member", "m.room.power_levels"} - {
        "m.room.create"
    }
    known = {there.event_id(pdu, "12") for pdu in chain}
    assert {each for pdu in [event_of(there, event_id), *chain] for each in pdu["auth_events"]} <= known
    refused(there.request("GET", f"/event_auth/{room_id}/$nothing"), 404, "M_NOT_FOUND")
    secret = alice.send(other, "secret")
    refused(there.request("GET", f"/event_auth/{room_id}/{secret}"), 404, "M_NOT_FOUND")
    refused(elsewhere.request("GET", f"/event_auth/{room_id}/{event_id}"), 403, "M_FORBIDDEN")


def test_the_event_nearest_to_a_time(alice: Person, there: Visitor, elsewhere: Visitor) -> None:
    room_id = shared(alice, there, "time")
    event_id = alice.send(room_id, "now")
    ts = event_of(there, event_id)["origin_server_ts"]
    path = f"/timestamp_to_event/{room_id}"
    found = there.get(path, ts=ts + 10_000, dir="b")
    assert found == {"event_id": event_id, "origin_server_ts": ts}
    refused(there.request("GET", path, ts=ts + 10_000, dir="f"), 404, "M_NOT_FOUND")
    refused(there.request("GET", path, ts=ts, dir="up"), 400, "M_INVALID_PARAM")
    refused(there.request("GET", path, dir="f"), 400, "M_MISSING_PARAM")
    refused(there.request("GET", path, ts=ts), 400, "M_MISSING_PARAM")
    refused(elsewhere.request("GET", path, ts=ts, dir="b"), 403, "M_FORBIDDEN")


def test_a_server_that_the_room_keeps_out_reads_nothing_of_it(alice: Person, there: Visitor) -> None:
    room_id = shared(alice, there, "shut-out")
    event_id = alice.send(room_id, "before")
    alice.put(f"/rooms/{room_id}/state/m.room.server_acl", {"allow": ["*"], "deny": ["there.*"]})
    requests: list[tuple[str, str, Any, dict[str, Any]]] = [
        ("GET", f"/event/{event_id}", None, {}),
        ("GET", f"/state/{room_id}", None, {"event_id": event_id}),
        ("GET", f"/state_ids/{room_id}", None, {"event_id": event_id}),
        ("GET", f"/event_auth/{room_id}/{event_id}", None, {}),
        ("GET", f"/backfill/{room_id}", None, {"v": [event_id], "limit": 1}),
        ("GET", f"/timestamp_to_event/{room_id}", None, {"ts": 1, "dir": "f"}),
        (
            "POST",
            f"/get_missing_events/{room_id}",
            {"latest_events": [event_id], "earliest_events": []},
            {},
        ),
    ]
    for method, path, body, query in requests:
        refused(there.request(method, path, body, **query), 403, "M_FORBIDDEN")
    refused(there.request("GET", f"/hierarchy/{room_id}"), 404, "M_NOT_FOUND")


def test_requests_without_a_signature_are_refused(there: Visitor) -> None:
    for uri in ("/event/$a", "/state/!a?event_id=$b", "/query/profile?user_id=@a:here.test"):
        response = there.stranger.request_unsigned(there.host, "GET", "/_matrix/federation/v1" + uri)
        refused(response, 401, "M_UNAUTHORIZED")
