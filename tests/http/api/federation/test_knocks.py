"""Knocks through this server."""

from __future__ import annotations

from tests.federation.visitors import Visitor
from tests.http.api.federation.test_leaving import memberships
from tests.running import Person, refused


def knockable(person: Person, version: str = "12") -> str:
    rules = {"type": "m.room.join_rules", "content": {"join_rule": "knock"}}
    return person.create_room(room_version=version, name="انجمن", topic="در بزنید", initial_state=[rules])


def test_who_knocks_is_told_of_the_room_and_may_be_let_in(alice: Person, there: Visitor) -> None:
    room_id, zahra = knockable(alice), there.user("knocks")
    told = there.change("knock", room_id, zahra)["knock_room_state"]
    by_type = {pdu["type"]: pdu for pdu in told}
    assert by_type["m.room.name"]["content"] == {"name": "انجمن"}
    assert by_type["m.room.create"]["signatures"]
    assert "m.room.member" not in by_type
    assert "m.room.power_levels" not in by_type
    assert memberships(alice, room_id)[zahra] == "knock"
    refused(there.ask_template("join", room_id, zahra), 403, "M_FORBIDDEN")
    alice.post(f"/rooms/{room_id}/invite", {"user_id": zahra})
    there.join(room_id, zahra)
    assert memberships(alice, room_id)[zahra] == "join"


def test_a_knock_can_be_taken_back(alice: Person, there: Visitor) -> None:
    room_id, zahra = knockable(alice), there.user("thinks-again")
    there.change("knock", room_id, zahra)
    there.change("leave", room_id, zahra)
    assert memberships(alice, room_id)[zahra] == "leave"


def test_rooms_at_which_nobody_can_knock(alice: Person, there: Visitor) -> None:
    zahra = there.user("in-vain")
    refused(there.ask_template("knock", alice.create_room(), zahra), 403, "M_FORBIDDEN")
    public = alice.create_room(preset="public_chat")
    refused(there.ask_template("knock", public, zahra), 403, "M_FORBIDDEN")
    room_id = knockable(alice)
    refused(there.ask_template("knock", room_id, zahra, ver=["7"]), 400, "M_INCOMPATIBLE_ROOM_VERSION")
    refused(there.request("GET", f"/make_knock/{room_id}/{zahra}"), 400, "M_MISSING_PARAM")
    refused(there.ask_template("knock", "!nowhere:here.test", zahra), 404, "M_NOT_FOUND")
    alice.post(f"/rooms/{room_id}/ban", {"user_id": zahra})
    refused(there.ask_template("knock", room_id, zahra), 403, "M_FORBIDDEN")


def test_another_membership_is_no_knock(alice: Person, there: Visitor) -> None:
    room_id, zahra = knockable(alice), there.user("sneaks")
    version, event = there.template("knock", room_id, zahra)
    event_id, pdu = there.signed({**event, "content": {"membership": "join"}}, version)
    refused(there.send("knock", room_id, event_id, pdu), 400, "M_INVALID_PARAM")
    refused(there.send("join", room_id, event_id, pdu), 403, "M_FORBIDDEN")
    assert zahra not in memberships(alice, room_id)
