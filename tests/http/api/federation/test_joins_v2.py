"""Joins of other servers' users through this one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.federation.country import Member
from tests.federation.visitors import Visitor
from tests.http.api.federation.test_joins_v1 import restricted
from tests.running import Person, answered, refused


def by_key(pdus: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(pdu["type"], pdu["state_key"]): pdu for pdu in pdus}


@pytest.mark.parametrize("version", ["3", "5", "8", "11", "12"])
def test_who_joins_gets_the_state_before_the_join_and_all_that_authorises_it(
    alice: Person, there: Visitor, here: Member, version: str
) -> None:
    room_id = alice.create_room(preset="public_chat", room_version=version, name="میدان")
    zahra = there.user("zahra")
    answer = there.join(room_id, zahra)
    state = by_key(answer["state"])
    assert state["m.room.name", ""]["content"] == {"name": "میدان"}
    assert state["m.room.member", alice.user_id]["content"]["membership"] == "join"
    assert ("m.room.member", zahra) not in state
    assert all(here.name in pdu["signatures"] for pdu in answer["state"])
    chain = {there.event_id(pdu, version) for pdu in answer["auth_chain"]}
    cited = {event_id for pdu in [*answer["state"], answer["event"]] for event_id in pdu["auth_events"]}
    assert cited <= chain
    assert answer["event"]["sender"] == zahra
    assert "members_omitted" not in answer
    # People here see who has come.
    members = alice.get(f"/rooms/{room_id}/joined_members")["joined"]
    assert set(members) == {alice.user_id, zahra}


def test_a_repeated_join_is_answered_like_the_first(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(preset="public_chat"), there.user("twice")
    version, event = there.template("join", room_id, zahra)
    event_id, pdu = there.signed(event, version)
    first = answered(there.send("join", room_id, event_id, pdu))
    assert answered(there.send("join", room_id, event_id, pdu)) == first


def test_members_can_be_left_out(alice: Person, bob: Person, there: Visitor, here: Member) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    alice.put(f"/rooms/{room_id}/state/m.room.topic", {"topic": "گپ"})
    answer = there.join(room_id, there.user("partial"), omit_members="true")
    assert answer["members_omitted"] is True
    assert answer["servers_in_room"] == [here.name]
    state = by_key(answer["state"])
    assert ("m.room.topic", "") in state
    # The room has no name, so those who stand for it are there.
    assert {key for kind, key in state if kind == "m.room.member"} == {alice.user_id, bob.user_id}
    shown = {there.event_id(pdu, "12") for pdu in answer["state"]}
    chain = {there.event_id(pdu, "12") for pdu in answer["auth_chain"]}
    assert not shown & chain
    cited = {event_id for pdu in [*answer["state"], answer["event"]] for event_id in pdu["auth_events"]}
    assert cited <= shown | chain
    alice.put(f"/rooms/{room_id}/state/m.room.name", {"name": "گپ"})
    named = there.join(room_id, there.user("partial-two"), omit_members="true")
    assert not [pdu for pdu in named["state"] if pdu["type"] == "m.room.member"]
    assert named["servers_in_room"] == [here.name, there.name]
    refused(
        there.request("PUT", f"/_matrix/federation/v2/send_join/{room_id}/$x", {}, omit_members="perhaps"),
        400,
        "M_INVALID_PARAM",
    )


def test_an_event_that_is_something_else_is_refused_and_changes_nothing(
    alice: Person, there: Visitor
) -> None:
    room_id, zahra = alice.create_room(preset="public_chat"), there.user("wrong")
    version, event = there.template("join", room_id, zahra)
    wrong: list[dict[str, Any]] = [
        {"type": "m.room.message"},
        {"content": {"membership": "leave"}},
        {"content": {"membership": "invite"}},
        {"content": {}},
        {"content": 7},
        {"sender": "@zahra:elsewhere.test"},
        {"sender": alice.user_id, "state_key": alice.user_id},
        {"state_key": there.user("somebody-else")},
        {"state_key": 1},
        {"room_id": "!other:here.test"},
        {"auth_events": [["$a", {"sha256": "x"}]]},
        {"prev_events": "none"},
        {"depth": "deep"},
        {"origin_server_ts": 1.5},
        {"origin_server_ts": None},
    ]
    for changes in wrong:
        pdu = there.stranger.sign({**event, "origin_server_ts": 1}, version)
        refused(there.send("join", room_id, "$" + "a" * 43, {**pdu, **changes}), 400, "M_INVALID_PARAM")
    event_id, pdu = there.signed(event, version)
    refused(there.send("join", room_id, "$" + "a" * 43, pdu), 400, "M_INVALID_PARAM")
    unsigned = {key: value for key, value in pdu.items() if key != "signatures"}
    refused(there.send("join", room_id, event_id, unsigned), 400, "M_INVALID_PARAM")
    named_id, named = there.signed({**event, "content": {**event["content"], "displayname": "A"}}, version)
    changed = {**named, "content": {**named["content"], "displayname": "B"}}
    refused(there.send("join", room_id, named_id, changed), 400, "M_INVALID_PARAM")
    foreign = {**pdu, "signatures": {there.name: {"ed25519:unknown": "A" * 86}}}
    refused(there.send("join", room_id, event_id, foreign), 400, "M_INVALID_PARAM")
    assert zahra not in alice.get(f"/rooms/{room_id}/joined_members")["joined"]
    assert answered(there.send("join", room_id, event_id, pdu))


def test_a_body_that_is_no_event_is_refused(alice: Person, there: Visitor) -> None:
    room_id = alice.create_room(preset="public_chat")
    path = f"/_matrix/federation/v2/send_join/{room_id}/$event"
    refused(there.request("PUT", path, []), 400, "M_BAD_JSON")
    refused(there.request("PUT", path, {}), 400, "M_INVALID_PARAM")
    refused(there.request("PUT", path, "text"), 400, "M_BAD_JSON")


def test_rules_are_those_of_the_moment_at_which_the_join_comes(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(preset="public_chat"), there.user("late")
    version, event = there.template("join", room_id, zahra)
    event_id, pdu = there.signed(event, version)
    alice.post(f"/rooms/{room_id}/ban", {"user_id": zahra})
    refused(there.send("join", room_id, event_id, pdu), 403, "M_FORBIDDEN")
    refused(
        there.send("join", room_id, event_id, pdu), 403, "M_FORBIDDEN"
    )  # it does not help to say it again
    assert zahra not in alice.get(f"/rooms/{room_id}/joined_members")["joined"]


def test_events_that_nobody_knows_cannot_be_followed(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(preset="public_chat"), there.user("lost")
    version, event = there.template("join", room_id, zahra)
    event_id, pdu = there.signed({**event, "prev_events": ["$" + "b" * 43]}, version)
    refused(there.send("join", room_id, event_id, pdu), 400, "M_INVALID_PARAM")


def test_nobody_is_named_as_voucher_who_does_not_vouch(alice: Person, there: Visitor) -> None:
    space, zahra = alice.create_room(preset="public_chat"), there.user("forger")
    room_id = restricted(alice, space)
    refused(there.ask_template("join", room_id, zahra), 403, "M_FORBIDDEN")
    # A template for another room of the same kind says how it would look.
    open_room = alice.create_room(preset="public_chat")
    version, event = there.template("join", open_room, zahra)
    state = {
        (item["type"], item["state_key"]): item["event_id"] for item in alice.get(f"/rooms/{room_id}/state")
    }
    forged = {
        **event,
        "room_id": room_id,
        "content": {"membership": "join", "join_authorised_via_users_server": alice.user_id},
        "prev_events": [state["m.room.join_rules", ""]],
        "auth_events": [
            event_id
            for key in (
                ("m.room.power_levels", ""),
                ("m.room.join_rules", ""),
                ("m.room.member", alice.user_id),
            )
            if (event_id := state.get(key)) is not None
        ],
    }
    event_id, pdu = there.signed(forged, version)
    refused(there.send("join", room_id, event_id, pdu), 403, "M_FORBIDDEN")
    assert zahra not in alice.get(f"/rooms/{room_id}/joined_members")["joined"]


def test_a_join_that_was_vouched_for_can_be_repeated_but_not_carried_elsewhere(
    alice: Person, there: Visitor
) -> None:
    space, zahra = alice.create_room(preset="public_chat"), there.user("vouched")
    room_id = restricted(alice, space)
    there.join(space, zahra)
    version, event = there.template("join", room_id, zahra)
    event_id, pdu = there.signed(event, version)
    alice.put(f"/rooms/{room_id}/state/m.room.join_rules", {"join_rule": "invite"})
    refused(there.send("join", room_id, event_id, pdu), 403, "M_FORBIDDEN")
    rules = {
        "join_rule": "restricted",
        "allow": [{"type": "m.room_membership", "room_id": space}],
    }
    alice.put(f"/rooms/{room_id}/state/m.room.join_rules", rules)
    version, event = there.template("join", room_id, zahra)
    event_id, pdu = there.signed(event, version)
    first = answered(there.send("join", room_id, event_id, pdu))
    assert answered(there.send("join", room_id, event_id, pdu)) == first


def test_other_servers_in_the_room_hear_of_a_join(alice: Person, there: Visitor, elsewhere: Visitor) -> None:
    room_id = alice.create_room(preset="public_chat")
    there.join(room_id, there.user("first"))
    second = elsewhere.user("second")
    elsewhere.join(room_id, second)

    for _ in range(200):
        if second in [pdu.get("state_key") for pdu in there.received]:
            return
        alice.sync(timeout=50)
    raise AssertionError(f"nobody told of the join: {there.received}")
