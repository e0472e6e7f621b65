"""What other servers ask about aliases and users."""

from __future__ import annotations

from tests.federation.country import Member
from tests.federation.visitors import Visitor
from tests.running import Person, refused


def test_an_alias_leads_to_its_room_and_the_servers_in_it(
    alice: Person, there: Visitor, here: Member
) -> None:
    name = f"room-of-{alice.localpart}"
    room_id = alice.create_room(preset="public_chat", room_alias_name=name)
    alias = f"#{name}:{here.name}"
    assert there.get("/query/directory", room_alias=alias) == {"room_id": room_id, "servers": [here.name]}
    there.join(room_id, there.user("comes-by-alias"))
    assert there.get("/query/directory", room_alias=alias)["servers"] == [here.name, there.name]
    alice.post(f"/rooms/{room_id}/leave")
    assert there.get("/query/directory", room_alias=alias)["servers"] == [there.name]


def test_aliases_that_are_not_told(alice: Person, there: Visitor, here: Member) -> None:
    refused(there.request("GET", "/query/directory", room_alias=f"#none:{here.name}"), 404, "M_NOT_FOUND")
    refused(there.request("GET", "/query/directory", room_alias="#a:other.test"), 404, "M_NOT_FOUND")
    refused(there.request("GET", "/query/directory", room_alias="nonsense"), 400, "M_INVALID_PARAM")
    refused(there.request("GET", "/query/directory"), 400, "M_MISSING_PARAM")
    name = f"closed-of-{alice.localpart}"
    alice.create_room(preset="public_chat", room_alias_name=name, creation_content={"m.federate": False})
    refused(there.request("GET", "/query/directory", room_alias=f"#{name}:{here.name}"), 404, "M_NOT_FOUND")


def test_profiles_are_told_whole_or_by_field(alice: Person, there: Visitor) -> None:
    who = alice.user_id
    assert there.get("/query/profile", user_id=who, field="avatar_url") == {}
    alice.put(f"/profile/{who}/displayname", {"displayname": "آلیس"})
    alice.put(f"/profile/{who}/org.example.mood", {"org.example.mood": "خوش"})
    assert there.get("/query/profile", user_id=who) == {"displayname": "آلیس", "org.example.mood": "خوش"}
    assert there.get("/query/profile", user_id=who, field="displayname") == {"displayname": "آلیس"}
    assert there.get("/query/profile", user_id=who, field="org.example.mood") == {"org.example.mood": "خوش"}
    refused(there.request("GET", "/query/profile", user_id=who, field="org.example.none"), 404, "M_NOT_FOUND")


def test_profiles_of_people_who_are_not_here(there: Visitor, here: Member) -> None:
    for user_id in (f"@nobody:{here.name}", "@a:other.test"):
        refused(there.request("GET", "/query/profile", user_id=user_id), 404, "M_NOT_FOUND")
        refused(
            there.request("GET", "/query/profile", user_id=user_id, field="displayname"), 404, "M_NOT_FOUND"
        )
    refused(there.request("GET", "/query/profile", user_id="alice"), 400, "M_INVALID_PARAM")
    refused(there.request("GET", "/query/profile"), 400, "M_MISSING_PARAM")


def test_there_are_no_other_questions(there: Visitor) -> None:
    refused(there.request("GET", "/query/weather"), 404, "M_UNRECOGNIZED")
