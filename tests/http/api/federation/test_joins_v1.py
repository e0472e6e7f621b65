"""Templates for joins."""

from __future__ import annotations

import pytest

from tests.federation.country import Member
from tests.federation.visitors import VERSIONS, Visitor
from tests.running import Person, answered, refused


@pytest.mark.parametrize("version", ["3", "6", "10", "11", "12"])
def test_a_template_is_an_event_that_the_room_would_take(
    alice: Person, there: Visitor, here: Member, version: str
) -> None:
    room_id = alice.create_room(preset="public_chat", room_version=version)
    zahra = there.user("zahra")
    answer = answered(there.ask_template("join", room_id, zahra))
    assert answer["room_version"] == version
    event = answer["event"]
    assert (event["type"], event["sender"], event["state_key"]) == ("m.room.member", zahra, zahra)
    assert event["content"] == {"membership": "join"}
    assert (event["room_id"], event["origin"]) == (room_id, here.name)
    assert event["prev_events"]
    assert event["auth_events"]
    assert event["depth"] > 1
    assert "hashes" not in event
    assert "signatures" not in event


def test_a_room_version_that_the_other_server_does_not_know_is_named(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(preset="public_chat", room_version="11"), there.user("zahra")
    others = [version for version in VERSIONS if version != "11"]
    answer = refused(
        there.ask_template("join", room_id, zahra, ver=others), 400, "M_INCOMPATIBLE_ROOM_VERSION"
    )
    assert answer["room_version"] == "11"
    # Who does not say what it knows, knows the first version only.
    path = f"/make_join/{room_id}/{zahra}"
    refused(there.request("GET", path), 400, "M_INCOMPATIBLE_ROOM_VERSION")


def test_who_may_not_join_gets_no_template(alice: Person, there: Visitor, here: Member) -> None:
    closed, zahra = alice.create_room(), there.user("zahra")
    refused(there.ask_template("join", closed, zahra), 403, "M_FORBIDDEN")
    refused(there.ask_template("join", "!nowhere:there.test", zahra), 404, "M_NOT_FOUND")
    refused(there.ask_template("join", "nonsense", zahra), 400, "M_INVALID_PARAM")
    public = alice.create_room(preset="public_chat")
    refused(there.ask_template("join", public, "@zahra:elsewhere.test"), 403, "M_FORBIDDEN")
    refused(there.ask_template("join", public, "zahra"), 400, "M_INVALID_PARAM")
    here_only = alice.create_room(preset="public_chat", creation_content={"m.federate": False})
    refused(there.ask_template("join", here_only, zahra), 403, "M_FORBIDDEN")
    assert answered(there.ask_template("join", public, zahra))


def test_a_room_that_everybody_has_left_is_not_known(alice: Person, there: Visitor) -> None:
    room_id = alice.create_room(preset="public_chat")
    alice.post(f"/rooms/{room_id}/leave")
    refused(there.ask_template("join", room_id, there.user("zahra")), 404, "M_NOT_FOUND")


def test_a_server_that_a_room_keeps_out_gets_no_template(alice: Person, there: Visitor) -> None:
    room_id = alice.create_room(preset="public_chat")
    alice.put(f"/rooms/{room_id}/state/m.room.server_acl", {"allow": ["*"], "deny": [there.name]})
    for membership in ("join", "leave"):
        refused(there.ask_template(membership, room_id, there.user("zahra")), 403, "M_FORBIDDEN")
    refused(there.ask_template("knock", room_id, there.user("zahra")), 403, "M_FORBIDDEN")


def restricted(person: Person, *rooms: str, **options: object) -> str:
    """Make a room into which the members of other rooms may come."""
    allow = [{"type": "m.room_membership", "room_id": room_id} for room_id in rooms]
    rules = {"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}
    return person.create_room(initial_state=[rules], **options)


def test_members_of_another_room_are_vouched_for(alice: Person, there: Visitor) -> None:
    zahra = there.user("restricted")
    space = alice.create_room(preset="public_chat")
    room_id = restricted(alice, space)
    refused(there.ask_template("join", room_id, zahra), 403, "M_FORBIDDEN")
    there.join(space, zahra)
    _, event = there.template("join", room_id, zahra)
    assert event["content"]["join_authorised_via_users_server"] == alice.user_id
    answer = there.join(room_id, zahra)
    assert set(answer["event"]["signatures"]) == {there.name, there.host.name}


def test_another_server_may_know_more_of_the_conditions(alice: Person, there: Visitor, here: Member) -> None:
    zahra = there.user("conditions")
    unknown = restricted(alice, "!other:elsewhere.test")
    refused(there.ask_template("join", unknown, zahra), 400, "M_UNABLE_TO_AUTHORISE_JOIN")
    nobody = restricted(alice)
    refused(there.ask_template("join", nobody, zahra), 403, "M_FORBIDDEN")


def test_nobody_here_may_vouch(alice: Person, bob: Person, there: Visitor) -> None:
    zahra = there.user("voucher")
    space = alice.create_room(preset="public_chat")
    there.join(space, zahra)
    levels = {"users": {alice.user_id: 100, there.user("admin"): 100}, "invite": 50, "users_default": 0}
    room_id = restricted(
        alice, space, room_version="11", power_level_content_override={**levels, "events": {}}
    )
    alice.invite(room_id, bob)
    bob.join(room_id)
    assert answered(there.ask_template("join", room_id, zahra))
    alice.post(f"/rooms/{room_id}/leave")
    refused(there.ask_template("join", room_id, zahra), 400, "M_UNABLE_TO_GRANT_JOIN")
