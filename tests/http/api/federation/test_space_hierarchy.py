"""Spaces as other servers see them."""

from __future__ import annotations

from typing import Any

from tests.federation.country import Member
from tests.federation.visitors import Visitor
from tests.http.api.federation.test_joins_v1 import restricted
from tests.running import Person, refused


def space(person: Person, **options: Any) -> str:
    return person.create_room(creation_content={"type": "m.space"}, **options)


def put_in(person: Person, space_id: str, child: str, **content: Any) -> None:
    body = {"via": ["here.test"], **content}
    person.put(f"/rooms/{space_id}/state/m.space.child/{child}", body)


def test_a_space_and_its_children(alice: Person, there: Visitor, here: Member) -> None:
    top = space(alice, preset="public_chat", name="شهر")
    open_room = alice.create_room(preset="public_chat", name="میدان")
    secret, unknown = alice.create_room(), "!unknown:other.test"
    closed = alice.create_room(preset="public_chat", creation_content={"m.federate": False})
    for child in (open_room, secret, unknown, closed):
        put_in(alice, top, child, suggested=child == open_room)
    answer = there.get(f"/hierarchy/{top}")
    assert answer["room"]["room_id"] == top
    assert answer["room"]["room_type"] == "m.space"
    children = {event["state_key"] for event in answer["room"]["children_state"]}
    assert children == {open_room, secret, unknown, closed}
    assert [room["name"] for room in answer["children"]] == ["میدان"]
    assert set(answer["inaccessible_children"]) == {secret, closed}
    suggested = there.get(f"/hierarchy/{top}", suggested_only="true")
    assert [event["state_key"] for event in suggested["room"]["children_state"]] == [open_room]
    assert suggested["inaccessible_children"] == []


def test_a_room_is_told_to_servers_whose_users_could_come(alice: Person, there: Visitor) -> None:
    private = alice.create_room()
    refused(there.request("GET", f"/hierarchy/{private}"), 404, "M_NOT_FOUND")
    alice.post(f"/rooms/{private}/invite", {"user_id": there.user("asked-in")})
    assert there.get(f"/hierarchy/{private}")["room"]["room_id"] == private
    assert there.get(f"/hierarchy/{private}")["room"]["children_state"] == []
    club = alice.create_room(preset="public_chat")
    for_members = restricted(alice, club)
    refused(there.request("GET", f"/hierarchy/{for_members}"), 404, "M_NOT_FOUND")
    there.join(club, there.user("member"))
    told = there.get(f"/hierarchy/{for_members}")["room"]
    assert told["allowed_room_ids"] == [club]
    assert told["join_rule"] == "restricted"


def test_rooms_that_are_not_told(alice: Person, there: Visitor) -> None:
    refused(there.request("GET", "/hierarchy/!nowhere:here.test"), 404, "M_NOT_FOUND")
    refused(there.request("GET", "/hierarchy/nonsense"), 404, "M_NOT_FOUND")
    left = alice.create_room(preset="public_chat")
    alice.post(f"/rooms/{left}/leave")
    refused(there.request("GET", f"/hierarchy/{left}"), 404, "M_NOT_FOUND")
    kept_out = alice.create_room(preset="public_chat")
    alice.put(f"/rooms/{kept_out}/state/m.room.server_acl", {"allow": ["here.test"]})
    refused(there.request("GET", f"/hierarchy/{kept_out}"), 404, "M_NOT_FOUND")
    refused(there.request("GET", f"/hierarchy/{kept_out}", suggested_only="1"), 400, "M_INVALID_PARAM")
