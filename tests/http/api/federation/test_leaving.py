"""Leaving through this server, and turning its invites down."""

from __future__ import annotations

from tests.federation.visitors import Visitor
from tests.running import Person, answered, refused


def memberships(person: Person, room_id: str) -> dict[str, str]:
    events = person.get(f"/rooms/{room_id}/members")["chunk"]
    return {event["state_key"]: event["content"]["membership"] for event in events}


def test_members_leave(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(preset="public_chat"), there.user("leaver")
    there.join(room_id, zahra)
    assert memberships(alice, room_id)[zahra] == "join"
    assert there.change("leave", room_id, zahra) == {}
    assert memberships(alice, room_id)[zahra] == "leave"


def test_who_is_not_there_cannot_leave(alice: Person, there: Visitor) -> None:
    room_id = alice.create_room(preset="public_chat")
    refused(there.ask_template("leave", room_id, there.user("nobody")), 403, "M_FORBIDDEN")
    refused(there.ask_template("leave", room_id, alice.user_id), 403, "M_FORBIDDEN")
    refused(there.ask_template("leave", "!nowhere:here.test", there.user("nobody")), 404, "M_NOT_FOUND")


def test_a_join_is_no_leave(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(preset="public_chat"), there.user("mixed-up")
    version, event = there.template("join", room_id, zahra)
    event_id, pdu = there.signed(event, version)
    refused(there.send("leave", room_id, event_id, pdu), 400, "M_INVALID_PARAM")
    assert zahra not in memberships(alice, room_id)


def test_an_invite_is_turned_down(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(), there.user("invited")
    alice.post(f"/rooms/{room_id}/invite", {"user_id": zahra})
    assert memberships(alice, room_id)[zahra] == "invite"
    there.change("leave", room_id, zahra)
    assert memberships(alice, room_id)[zahra] == "leave"
    refused(there.ask_template("join", room_id, zahra), 403, "M_FORBIDDEN")


def test_who_is_banned_does_not_get_out_of_it(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(preset="public_chat"), there.user("banned")
    alice.post(f"/rooms/{room_id}/ban", {"user_id": zahra})
    refused(there.ask_template("leave", room_id, zahra), 403, "M_FORBIDDEN")


def test_a_leave_can_be_repeated(alice: Person, there: Visitor) -> None:
    room_id, zahra = alice.create_room(preset="public_chat"), there.user("again")
    there.join(room_id, zahra)
    version, event = there.template("leave", room_id, zahra)
    event_id, pdu = there.signed(event, version)
    assert answered(there.send("leave", room_id, event_id, pdu)) == {}
    assert answered(there.send("leave", room_id, event_id, pdu)) == {}
