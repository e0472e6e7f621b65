"""What came before events."""

from __future__ import annotations

from typing import Any

from tests.federation.visitors import Visitor
from tests.http.api.federation.test_events import shared
from tests.running import Person, answered, refused


def ids(visitor: Visitor, pdus: list[dict[str, Any]]) -> list[str]:
    return [visitor.event_id(pdu, "12") for pdu in pdus]


def missing(visitor: Visitor, room_id: str, **body: Any) -> list[str]:
    wanted = {"earliest_events": [], "latest_events": [], **body}
    return ids(visitor, answered(visitor.request("POST", f"/get_missing_events/{room_id}", wanted))["events"])


def test_history_goes_back_from_an_event_that_is_included(alice: Person, there: Visitor) -> None:
    room_id = shared(alice, there, "historian")
    sent = [alice.send(room_id, str(number)) for number in range(5)]
    path = f"/backfill/{room_id}"
    assert ids(there, there.get(path, v=[sent[3]], limit=3)["pdus"]) == [sent[3], sent[2], sent[1]]
    everything = there.get(path, v=[sent[4]], limit=1_000_000)["pdus"]
    assert everything[-1]["type"] == "m.room.create"
    assert ids(there, everything)[:5] == sent[::-1]
    assert ids(there, there.get(path, v=[sent[0], sent[2], "$unknown"], limit=2)["pdus"]) == [
        sent[2],
        sent[1],
    ]
    assert there.get(path, v=["$unknown"], limit=2)["pdus"] == []
    assert there.get(path, v=[sent[0]], limit=0)["pdus"] == []


def test_history_of_another_room_is_not_given(alice: Person, there: Visitor, elsewhere: Visitor) -> None:
    room_id, other = shared(alice, there, "prying"), alice.create_room()
    secret = alice.send(other, "secret")
    assert there.get(f"/backfill/{room_id}", v=[secret], limit=5)["pdus"] == []
    assert missing(there, room_id, latest_events=[secret]) == []
    refused(there.request("GET", f"/backfill/{other}", v=[secret], limit=5), 403, "M_FORBIDDEN")
    refused(elsewhere.request("GET", f"/backfill/{room_id}", v=[secret], limit=5), 403, "M_FORBIDDEN")


def test_at_most_a_hundred_events_are_given_and_named(alice: Person, there: Visitor) -> None:
    room_id = shared(alice, there, "greedy")
    sent = [alice.send(room_id, str(number)) for number in range(110)]
    path = f"/backfill/{room_id}"
    assert ids(there, there.get(path, v=[sent[-1]], limit=500)["pdus"]) == sent[:-101:-1]
    many = [f"$e{number}" for number in range(101)]
    refused(there.request("GET", path, v=many, limit=1), 400, "M_INVALID_PARAM")
    refused(there.request("GET", path, limit=1), 400, "M_MISSING_PARAM")
    refused(there.request("GET", path, v=["$a"]), 400, "M_MISSING_PARAM")
    refused(there.request("GET", path, v=["$a"], limit="all"), 400, "M_INVALID_PARAM")
    assert missing(there, room_id, latest_events=[sent[-1]], limit=10_000) == sent[-101:-1]
    for name in ("latest_events", "earliest_events"):
        body = {"latest_events": [], "earliest_events": [], name: many}
        refused(there.request("POST", f"/get_missing_events/{room_id}", body), 400, "M_INVALID_PARAM")


def test_what_lies_between_events_comes_oldest_first(alice: Person, there: Visitor) -> None:
    room_id = shared(alice, there, "gap")
    sent = [alice.send(room_id, str(number)) for number in range(15)]
    between = missing(there, room_id, latest_events=[sent[8]], earliest_events=[sent[4]])
    assert between == sent[5:8]
    # Without a number, ten, and of many the latest.
    assert missing(there, room_id, latest_events=[sent[14]]) == sent[4:14]
    assert missing(there, room_id, latest_events=[sent[14]], limit=2) == sent[12:14]
    assert missing(there, room_id, latest_events=[sent[3]], earliest_events=[sent[2]]) == []
    assert missing(there, room_id, latest_events=["$unknown"]) == []
    depth = there.get(f"/event/{sent[6]}")["pdus"][0]["depth"]
    assert missing(there, room_id, latest_events=[sent[8]], min_depth=depth) == sent[6:8]


def test_branches_are_followed_and_others_passed_by(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(preset="public_chat"), there.user("branches")
    there.join(room_id, zahra)
    base = alice.send(room_id, "base")
    template = there.template("leave", room_id, zahra)[1]
    here_one = alice.send(room_id, "on this side")
    event = {
        **template,
        "type": "m.room.message",
        "content": {"msgtype": "m.text", "body": "on the other side"},
        "prev_events": [base],
    }
    del event["state_key"]
    levels = there.get(f"/event_auth/{room_id}/{base}")["auth_chain"]
    by_key = {(pdu["type"], pdu["state_key"]): there.event_id(pdu, "12") for pdu in levels}
    state = there.get(f"/state/{room_id}", event_id=here_one)["pdus"]
    by_key |= {(pdu["type"], pdu["state_key"]): there.event_id(pdu, "12") for pdu in state}
    event["auth_events"] = [by_key["m.room.power_levels", ""], by_key["m.room.member", zahra]]
    other_id, pdu = there.signed(event, there.template("leave", room_id, zahra)[0])
    txn = {"origin": there.name, "origin_server_ts": 1, "pdus": [pdu]}
    answer = answered(there.request("PUT", "/send/branches", txn))
    assert answer["pdus"] == {other_id: {}}
    merged = alice.send(room_id, "together")
    assert missing(there, room_id, latest_events=[other_id], earliest_events=[]).count(here_one) == 0
    both = missing(there, room_id, latest_events=[merged], earliest_events=[base])
    assert sorted(both) == sorted([here_one, other_id])
    back = ids(there, there.get(f"/backfill/{room_id}", v=[here_one], limit=2)["pdus"])
    assert back == [here_one, base]


def test_a_body_of_another_form_is_refused(alice: Person, there: Visitor) -> None:
    path = f"/get_missing_events/{shared(alice, there, 'forms')}"
    refused(there.request("POST", path, {"latest_events": []}), 400, "M_MISSING_PARAM")
    refused(there.request("POST", path, {"latest_events": [1], "earliest_events": []}), 400, "M_BAD_JSON")
    refused(
        there.request("POST", path, {"latest_events": [], "earliest_events": [], "limit": -1}),
        400,
        "M_BAD_JSON",
    )
