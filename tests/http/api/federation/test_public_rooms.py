"""The room directory for other servers."""

from __future__ import annotations

from typing import Any

from tests.federation.visitors import Visitor
from tests.running import Person, answered, refused


def listed(visitor: Visitor, **query: Any) -> list[str]:
    return [room["room_id"] for room in visitor.get("/publicRooms", **query)["chunk"]]


def found(visitor: Visitor, **body: Any) -> list[str]:
    answer = answered(visitor.request("POST", "/publicRooms", body))
    return [room["room_id"] for room in answer["chunk"]]


def test_rooms_are_listed_and_found(alice: Person, there: Visitor) -> None:
    room_id = alice.create_room(preset="public_chat", visibility="public", name="کتاب‌خوانی شیراز")
    other = alice.create_room(preset="public_chat", visibility="public", name="کوه‌نوردی")
    assert {room_id, other} <= set(listed(there, limit=500))
    assert found(there, filter={"generic_search_term": "شیراز"}) == [room_id]
    assert found(there, filter={"generic_search_term": "شیراز"}, include_all_networks=True) == [room_id]
    assert found(there, filter={"room_types": ["m.space"]}) == []


def test_pages_follow_each_other(alice: Person, there: Visitor) -> None:
    made = {alice.create_room(preset="public_chat", visibility="public") for _ in range(3)}
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = there.get("/publicRooms", **query)
        seen += [room["room_id"] for room in page["chunk"]]
        if "next_batch" not in page:
            break
        query["since"] = page["next_batch"]
    assert made <= set(seen)
    assert len(seen) == len(set(seen))


def test_rooms_that_are_closed_to_other_servers_are_not_shown_to_them(alice: Person, there: Visitor) -> None:
    room_id = alice.create_room(
        preset="public_chat", visibility="public", creation_content={"m.federate": False}
    )
    assert room_id not in listed(there, limit=500)
    assert room_id not in found(there, include_all_networks=True)
    here_listed = alice.get("/publicRooms", limit=500)["chunk"]
    assert room_id in [room["room_id"] for room in here_listed]


def test_wrong_parameters(there: Visitor) -> None:
    refused(there.request("GET", "/publicRooms", limit="many"), 400, "M_INVALID_PARAM")
    refused(there.request("GET", "/publicRooms", since="yesterday"), 400, "M_INVALID_PARAM")
    refused(there.request("POST", "/publicRooms", {"filter": 7}), 400, "M_BAD_JSON")
