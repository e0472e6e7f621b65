"""Upgrading a room with members on several servers (client-server API, "Room Upgrades")."""

from __future__ import annotations

from tests.federation.across import membership, seen, texts
from tests.federation.country import Member
from tests.reading import room_path, set_state
from tests.rooms_over_http import join_any, state_of
from tests.running import Person, answered


def test_members_of_another_server_follow_into_the_new_room(
    pair: tuple[Member, Member], ali: Person, bahar: Person
) -> None:
    old = ali.create_room(preset="public_chat", room_version="11", name="Square")
    answered(join_any(bahar, old, via="a.test"))
    bahar.put(f"/user/{bahar.user_id}{room_path(old, 'tags', 'm.favourite')}", {"order": 0.5})
    new: str = ali.post(room_path(old, "upgrade"), {"new_version": "12"})["replacement_room"]
    assert seen(lambda: state_of(bahar, old).get(("m.room.tombstone", ""), {}).get("replacement_room") == new)
    answered(join_any(bahar, new, via="a.test"))
    assert state_of(bahar, new)["m.room.create", ""]["predecessor"]["room_id"] == old
    assert state_of(bahar, new)["m.room.name", ""] == {"name": "Square"}
    tags = bahar.get(f"/user/{bahar.user_id}{room_path(new, 'tags')}")["tags"]
    assert tags["m.favourite"] == {"order": 0.5}
    bahar.send(new, "followed")
    assert seen(lambda: "followed" in texts(ali, new))


def test_somebody_of_another_server_upgrades_a_room(
    pair: tuple[Member, Member], ali: Person, bahar: Person
) -> None:
    old = ali.create_room(preset="public_chat", room_version="11")
    answered(join_any(bahar, old, via="a.test"))
    levels = state_of(ali, old)["m.room.power_levels", ""]
    levels["users"][bahar.user_id] = 100
    set_state(ali, old, "m.room.power_levels", levels)
    assert seen(lambda: bahar.user_id in state_of(bahar, old)["m.room.power_levels", ""]["users"])
    new: str = bahar.post(room_path(old, "upgrade"), {"new_version": "12"})["replacement_room"]
    assert seen(lambda: ("m.room.tombstone", "") in state_of(ali, old))
    answered(join_any(ali, new, via="b.test"))
    assert membership(bahar, new, ali) == "join"
