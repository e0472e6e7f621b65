"""Upgrading rooms."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.reading import room_path, set_state
from tests.rooms_over_http import VERSIONS, act, alias_path, join_any, member_of, state_of, timeline
from tests.running import Person, Running, answered, refused

LEVELS = ("m.room.power_levels", "")
TOMBSTONE = ("m.room.tombstone", "")


def upgrade(person: Person, room_id: str, version: str, **more: Any) -> httpx.Response:
    return person.request("POST", room_path(room_id, "upgrade"), {"new_version": version, **more})


def upgraded(person: Person, room_id: str, version: str, **more: Any) -> str:
    new_id: str = answered(upgrade(person, room_id, version, **more))["replacement_room"]
    return new_id


@pytest.mark.parametrize("old", VERSIONS)
@pytest.mark.parametrize("new", ["6", "10", "11", "12"])
def test_both_rooms_name_each_other_and_people_go_on_in_the_new_one(
    alice: Person, bob: Person, old: str, new: str
) -> None:
    room_id = alice.create_room(room_version=old, preset="public_chat", name="Roof")
    bob.join(room_id)
    new_id = upgraded(alice, room_id, new)
    before, after = state_of(alice, room_id), state_of(alice, new_id)
    assert before[TOMBSTONE] == {"body": "This room has been replaced.", "replacement_room": new_id}
    create = after["m.room.create", ""]
    assert (create["room_version"], create["predecessor"]["room_id"]) == (new, room_id)
    last_words = [event["event_id"] for event in timeline(alice, room_id)]
    assert create["predecessor"]["event_id"] in last_words
    assert after["m.room.name", ""] == {"name": "Roof"}
    refused(bob.request("PUT", room_path(room_id, "send", "m.room.message", "t"), {}), 403, "M_FORBIDDEN")
    bob.join(new_id)
    bob.send(new_id, "hello")
    alice.put(room_path(new_id, "state", *LEVELS), {**after[LEVELS], "ban": 60})


def test_state_that_moves_and_state_that_stays(alice: Person) -> None:
    room_id = alice.create_room(creation_content={"type": "m.space", "m.federate": False, "x": 1})
    moves = {
        "m.room.server_acl": {"allow": ["*"]},
        "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
        "m.room.name": {"name": "Roof"},
        "m.room.avatar": {"url": "mxc://x.test/a"},
        "m.room.topic": {"topic": "Above"},
        "m.room.guest_access": {"guest_access": "forbidden"},
        "m.room.history_visibility": {"history_visibility": "joined"},
        "m.room.join_rules": {"join_rule": "knock"},
    }
    for event_type, content in moves.items():
        set_state(alice, room_id, event_type, content)
    set_state(alice, room_id, "m.space.child", {"via": ["x.test"]}, "!child:x.test")
    set_state(alice, room_id, "m.space.child", {}, "!former:x.test")
    set_state(alice, room_id, "com.example", {"depends": "on its sender"})
    after = state_of(alice, upgraded(alice, room_id, "12"))
    create = after.pop(("m.room.create", ""))
    del create["predecessor"], after[LEVELS], after["m.room.member", alice.user_id]
    assert create == {"room_version": "12", "type": "m.space", "m.federate": False}
    assert after.pop(("m.space.child", "!child:x.test")) == {"via": ["x.test"]}
    assert after == {(event_type, ""): content for event_type, content in moves.items()}


def test_a_rule_that_the_new_version_does_not_know_becomes_a_stricter_one(alice: Person) -> None:
    for old, rule, new, expected in (
        ("12", "knock", "6", "invite"),
        ("12", "knock", "7", "knock"),
        ("12", "restricted", "7", "invite"),
        ("12", "knock_restricted", "9", "invite"),
    ):
        content = {"join_rule": rule, "allow": []}
        rules = {"type": "m.room.join_rules", "content": content}
        room_id = alice.create_room(room_version=old, initial_state=[rules])
        after = state_of(alice, upgraded(alice, room_id, new))
        assert after["m.room.join_rules", ""]["join_rule"] == expected


def test_aliases_and_the_listing_move(server: Running, alice: Person, bob: Person) -> None:
    room_id = alice.create_room(visibility="public", room_alias_name=f"{alice.localpart}-up", name="moves")
    alias = state_of(alice, room_id)["m.room.canonical_alias", ""]["alias"]
    bob.join(room_id)
    other = f"#{bob.localpart}-up:{server.name}"
    bob.put(alias_path(other), {"room_id": room_id})
    alice.get("/publicRooms")
    new_id = upgraded(alice, room_id, "12")
    assert [bob.get(alias_path(name))["room_id"] for name in (alias, other)] == [new_id, new_id]
    assert alice.get(room_path(room_id, "aliases")) == {"aliases": []}
    assert state_of(alice, new_id)["m.room.canonical_alias", ""] == {"alias": alias}
    assert state_of(alice, room_id)["m.room.canonical_alias", ""] == {}
    assert alice.get(f"/directory/list/room/{new_id}") == {"visibility": "public"}
    assert alice.get(f"/directory/list/room/{room_id}") == {"visibility": "private"}
    listed = [room["room_id"] for room in alice.get("/publicRooms", limit=500)["chunk"]]
    assert new_id in listed
    assert room_id not in listed
    bob.delete(alias_path(other))  # it is still his


def test_the_old_room_falls_silent(alice: Person) -> None:
    for override, expected in (
        ({}, (50, 50)),
        ({"users_default": 60}, (61, 61)),
        ({"events_default": 80, "invite": 90}, (80, 90)),
    ):
        room_id = alice.create_room(power_level_content_override=override)
        new_id = upgraded(alice, room_id, "12")
        levels = state_of(alice, room_id)[LEVELS]
        assert (levels["events_default"], levels["invite"]) == expected
        after = state_of(alice, new_id)[LEVELS]
        assert after["events_default"] == override.get("events_default", 0)


# Power levels.


def test_levels_on_the_way_between_versions(alice: Person, bob: Person) -> None:
    carol = f"@carol:{alice.user_id.partition(':')[2]}"
    levels = {"users": {alice.user_id: 100, bob.user_id: 100, carol: 50}}
    old = alice.create_room(room_version="11", power_level_content_override=levels)
    newer = upgraded(alice, old, "12", additional_creators=[bob.user_id])
    after = state_of(alice, newer)
    assert after["m.room.create", ""]["additional_creators"] == [bob.user_id]
    assert after[LEVELS]["users"] == {carol: 50}
    assert after[LEVELS]["events"]["m.room.tombstone"] == 100
    older = upgraded(alice, newer, "11", additional_creators=["ignored there"])
    after = state_of(alice, older)
    assert "additional_creators" not in after["m.room.create", ""]
    assert after[LEVELS]["users"] == {alice.user_id: 100, bob.user_id: 100, carol: 50}
    again = upgraded(alice, older, "12")
    after = state_of(alice, again)
    assert "additional_creators" not in after["m.room.create", ""]
    assert after[LEVELS]["users"] == {bob.user_id: 100, carol: 50}


def test_levels_that_are_texts_become_numbers(alice: Person, bob: Person) -> None:
    levels = {"users": {alice.user_id: "100", bob.user_id: " 50 "}, "ban": "60"}
    old = alice.create_room(room_version="9", power_level_content_override=levels)
    after = state_of(alice, upgraded(alice, old, "11"))[LEVELS]
    assert after["users"] == {alice.user_id: 100, bob.user_id: 50}
    assert after["ban"] == 60


def test_the_level_for_ending_a_room_is_above_that_for_other_state(alice: Person) -> None:
    for events, state_default, expected in (
        ({}, 50, 150),
        ({"m.room.tombstone": 50}, 50, 150),
        ({"m.room.tombstone": 51}, 50, 51),
        ({}, 170, 171),
    ):
        levels = {"events": events, "state_default": state_default, "users": {alice.user_id: 200}}
        old = alice.create_room(room_version="11", power_level_content_override=levels)
        after = state_of(alice, upgraded(alice, old, "12"))[LEVELS]
        assert after["events"]["m.room.tombstone"] == expected


def test_a_moderator_who_may_end_the_room_keeps_their_level(alice: Person, bob: Person) -> None:
    levels = {"users": {alice.user_id: 100, bob.user_id: 50}, "events": {"m.room.tombstone": 50}}
    old = alice.create_room(room_version="10", preset="public_chat", power_level_content_override=levels)
    bob.join(old)
    new_id = upgraded(bob, old, "11")
    assert state_of(bob, new_id)[LEVELS]["users"] == levels["users"]
    assert state_of(bob, old)[LEVELS]["events_default"] == 50
    alice.join(new_id)
    set_state(alice, new_id, "m.room.server_acl", {"allow": ["*"]})


# Refusals.


def test_a_refused_upgrade_changes_nothing(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat", room_alias_name=f"{alice.localpart}-stays")
    bob.join(room_id)
    before, events = state_of(alice, room_id), timeline(alice, room_id)
    for response, status, errcode in (
        (upgrade(bob, room_id, "12"), 403, "M_FORBIDDEN"),
        (upgrade(bob, room_id, "11"), 403, "M_FORBIDDEN"),
        (upgrade(alice, room_id, "2"), 400, "M_UNSUPPORTED_ROOM_VERSION"),
        (upgrade(alice, room_id, "x"), 400, "M_UNSUPPORTED_ROOM_VERSION"),
        (upgrade(alice, room_id, "12", additional_creators=["bob"]), 400, "M_INVALID_PARAM"),
        (upgrade(alice, "!unknown:x", "12"), 403, "M_FORBIDDEN"),
        (alice.request("POST", room_path(room_id, "upgrade"), {}), 400, "M_MISSING_PARAM"),
    ):
        refused(response, status, errcode)
    assert state_of(alice, room_id) == before
    assert len(timeline(alice, room_id)) == len(events)
    assert bob.get("/joined_rooms") == {"joined_rooms": [room_id]}
    bob.send(room_id, "still here")


# What people had set.


def account_data(person: Person, *path: str) -> str:
    return "/".join([f"/user/{quote(person.user_id)}", *(quote(part, safe="") for part in path)])


def test_tags_notifications_and_direct_chats_follow(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    bob.put(account_data(bob, "rooms", room_id, "tags", "m.favourite"), {"order": 0.5})
    bob.put(f"/pushrules/global/room/{quote(room_id)}", {"actions": []})
    mute = {"conditions": [{"kind": "event_match", "key": "room_id", "pattern": room_id}], "actions": []}
    bob.put(f"/pushrules/global/override/{quote(room_id)}", mute)
    bob.put(f"/pushrules/global/override/{quote(room_id)}/enabled", {"enabled": False})
    bob.put(account_data(bob, "account_data", "m.direct"), {alice.user_id: [room_id], "@x:y": ["!z"]})
    new_id = upgraded(alice, room_id, "12")
    bob.join(new_id)
    assert bob.get(account_data(bob, "rooms", new_id, "tags"))["tags"] == {"m.favourite": {"order": 0.5}}
    assert bob.get(f"/pushrules/global/room/{quote(new_id)}")["actions"] == []
    rule = bob.get(f"/pushrules/global/override/{quote(new_id)}")
    assert (rule["conditions"][0]["pattern"], rule["enabled"]) == (new_id, False)
    direct = bob.get(account_data(bob, "account_data", "m.direct"))
    assert direct == {alice.user_id: [room_id, new_id], "@x:y": ["!z"]}


def test_what_is_set_for_the_new_room_already_stays(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    bob.put(account_data(bob, "rooms", room_id, "tags", "m.favourite"), {})
    new_id = upgraded(alice, room_id, "12")
    bob.put(account_data(bob, "rooms", new_id, "tags", "m.lowpriority"), {})
    bob.join(new_id)
    assert bob.get(account_data(bob, "rooms", new_id, "tags"))["tags"] == {"m.lowpriority": {}}


def test_a_room_that_only_claims_to_replace_another_gets_nothing(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    bob.put(account_data(bob, "rooms", room_id, "tags", "m.favourite"), {})
    claim = {"predecessor": {"room_id": room_id, "event_id": "$x"}}
    false_heir = alice.create_room(preset="public_chat", creation_content=claim)
    bob.join(false_heir)
    assert bob.get(account_data(bob, "rooms", false_heir, "tags"))["tags"] == {}
    unknown = alice.create_room(
        preset="public_chat", creation_content={"predecessor": {"room_id": "!unknown:x"}}
    )
    bob.join(unknown)


def test_the_upgraders_name_is_in_the_new_room(alice: Person) -> None:
    alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": "Alice"})
    new_id = upgraded(alice, alice.create_room(), "12")
    assert member_of(alice, new_id, alice) == {"membership": "join", "displayname": "Alice"}


def test_bans_are_not_carried_by_the_upgrade(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    answered(act(alice, room_id, "ban", bob))
    new_id = upgraded(alice, room_id, "12")
    answered(join_any(bob, new_id))
