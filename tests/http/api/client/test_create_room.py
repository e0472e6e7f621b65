from __future__ import annotations

from typing import Any

import pytest

from hamrasan.flows import create_room
from tests.rooms_over_http import VERSIONS, alias_path, member_of, state_of, timeline
from tests.running import Person, Running, refused

LEVELS = ("m.room.power_levels", "")


def refuses(person: Person, status: int, errcode: str, **options: Any) -> str:
    """Check that no room is created with these options, and return the reason."""
    before = person.get("/joined_rooms")
    error = refused(person.request("POST", "/createRoom", options), status, errcode)
    assert person.get("/joined_rooms") == before
    reason: str = error["error"]
    return reason


def test_a_room_without_wishes(alice: Person, server: Running) -> None:
    room_id = alice.create_room()
    state = state_of(alice, room_id)
    assert [event["type"] for event in timeline(alice, room_id)] == [
        "m.room.create",
        "m.room.member",
        "m.room.power_levels",
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.guest_access",
    ]
    assert state["m.room.create", ""] == {"room_version": "12"}
    assert room_id[1:] == timeline(alice, room_id)[0]["event_id"][1:]
    assert alice.get(f"/directory/list/room/{room_id}") == {"visibility": "private"}
    assert alice.get("/joined_rooms") == {"joined_rooms": [room_id]}


def test_an_empty_body_is_a_room_without_wishes(alice: Person) -> None:
    answer = alice.http.post("/_matrix/client/v3/createRoom")
    assert answer.json()["room_id"].startswith("!")


@pytest.mark.parametrize(
    ("options", "join_rule", "guest_access", "invite"),
    [
        ({}, "invite", "can_join", 0),
        ({"visibility": "private"}, "invite", "can_join", 0),
        ({"visibility": "public"}, "public", "forbidden", 50),
        ({"preset": "private_chat"}, "invite", "can_join", 0),
        ({"preset": "trusted_private_chat"}, "invite", "can_join", 0),
        ({"preset": "public_chat"}, "public", "forbidden", 50),
        ({"preset": "private_chat", "visibility": "public"}, "invite", "can_join", 0),
        ({"preset": "public_chat", "visibility": "private"}, "public", "forbidden", 50),
    ],
)
def test_presets(
    alice: Person, options: dict[str, Any], join_rule: str, guest_access: str, invite: int
) -> None:
    room_id = alice.create_room(**options)
    state = state_of(alice, room_id)
    assert state["m.room.join_rules", ""] == {"join_rule": join_rule}
    assert state["m.room.guest_access", ""] == {"guest_access": guest_access}
    assert state["m.room.history_visibility", ""] == {"history_visibility": "shared"}
    assert state[LEVELS]["invite"] == invite
    listed = options.get("visibility", "private")
    assert alice.get(f"/directory/list/room/{room_id}") == {"visibility": listed}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_that_is_offered(alice: Person, bob: Person, version: str) -> None:
    room_id = alice.create_room(room_version=version, name="Roof", invite=[bob.user_id])
    create = state_of(alice, room_id)["m.room.create", ""]
    assert create["room_version"] == version
    assert create.get("creator") == (alice.user_id if int(version) < 11 else None)
    assert (":" in room_id) == (int(version) < 12)
    bob.join(room_id)
    assert bob.send(room_id, "hello").startswith("$")


@pytest.mark.parametrize("version", ["1", "2", "13", "", "org.example.custom", "12 "])
def test_other_versions_are_refused(alice: Person, version: str) -> None:
    if version:
        refuses(alice, 400, "M_UNSUPPORTED_ROOM_VERSION", room_version=version)
    else:  # nothing is named, so the default is meant
        assert (
            state_of(alice, alice.create_room(room_version=""))["m.room.create", ""]["room_version"] == "12"
        )


def test_events_come_in_the_order_of_the_specification(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(
        room_alias_name=f"{alice.localpart}-order",
        name="Roof",
        topic="Above",
        invite=[bob.user_id],
        initial_state=[
            {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}},
            {"type": "com.example", "state_key": "key", "content": {"a": 1}},
        ],
    )
    assert [event["type"] for event in timeline(alice, room_id)] == [
        "m.room.create",
        "m.room.member",
        "m.room.power_levels",
        "m.room.canonical_alias",
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.guest_access",
        "m.room.encryption",
        "com.example",
        "m.room.name",
        "m.room.topic",
        "m.room.member",
    ]


def test_name_and_topic_win_over_initial_state_and_that_over_the_preset(alice: Person) -> None:
    wishes = [
        {"type": "m.room.name", "content": {"name": "Cellar"}},
        {"type": "m.room.topic", "content": {"topic": "Below"}},
        {"type": "m.room.join_rules", "content": {"join_rule": "knock"}},
    ]
    state = state_of(alice, alice.create_room(initial_state=wishes))
    assert (state["m.room.name", ""], state["m.room.topic", ""]) == ({"name": "Cellar"}, {"topic": "Below"})
    assert state["m.room.join_rules", ""] == {"join_rule": "knock"}
    state = state_of(alice, alice.create_room(initial_state=wishes, name="Roof", topic="Above"))
    assert state["m.room.name", ""] == {"name": "Roof"}
    assert state["m.room.topic", ""] == {
        "topic": "Above",
        "m.topic": {"m.text": [{"body": "Above", "mimetype": "text/plain"}]},
    }


def test_an_alias_leads_to_the_new_room_and_is_taken_after_that(
    alice: Person, bob: Person, server: Running
) -> None:
    localpart = f"{alice.localpart}-pub"
    alias = f"#{localpart}:{server.name}"
    room_id = alice.create_room(room_alias_name=localpart)
    assert state_of(alice, room_id)["m.room.canonical_alias", ""] == {"alias": alias}
    assert bob.get(alias_path(alias)) == {"room_id": room_id, "servers": [server.name]}
    assert alias in refuses(bob, 400, "M_ROOM_IN_USE", room_alias_name=localpart)
    assert bob.get(alias_path(alias))["room_id"] == room_id


@pytest.mark.parametrize("localpart", ["", "with space", "a:b", "nul\0", "x" * 250])
def test_an_alias_that_is_none_is_refused(alice: Person, localpart: str) -> None:
    refuses(alice, 400, "M_INVALID_PARAM", room_alias_name=localpart)


def test_an_alias_is_not_taken_by_a_room_that_was_refused(alice: Person, server: Running) -> None:
    localpart = f"{alice.localpart}-later"
    wishes = {"room_alias_name": localpart, "power_level_content_override": {"events_default": "x"}}
    refuses(alice, 400, "M_INVALID_ROOM_STATE", **wishes)
    refused(alice.request("GET", alias_path(f"#{localpart}:{server.name}")), 404, "M_NOT_FOUND")
    alice.create_room(room_alias_name=localpart)


def test_invites_carry_the_flag_for_direct_chats_and_the_guests_name(alice: Person, bob: Person) -> None:
    bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"})
    room_id = alice.create_room(invite=[bob.user_id, bob.user_id], is_direct=True)
    assert member_of(alice, room_id, bob) == {
        "membership": "invite",
        "displayname": "Bob",
        "is_direct": True,
    }
    assert bob.sync()["rooms"]["invite"].keys() == {room_id}
    other = alice.create_room(invite=[bob.user_id])
    assert member_of(alice, other, bob) == {"membership": "invite", "displayname": "Bob"}


def test_the_creators_name_and_avatar_are_in_the_room(alice: Person) -> None:
    alice.put(f"/profile/{alice.user_id}/displayname", {"displayname": "Alice"})
    alice.put(f"/profile/{alice.user_id}/avatar_url", {"avatar_url": "mxc://x.test/face"})
    assert member_of(alice, alice.create_room(), alice) == {
        "membership": "join",
        "displayname": "Alice",
        "avatar_url": "mxc://x.test/face",
    }


def test_somebody_who_cannot_be_invited_prevents_the_room(
    alice: Person, bob: Person, server: Running
) -> None:
    bob.put(f"/user/{bob.user_id}/account_data/m.invite_permission_config", {"default_action": "block"})
    refuses(alice, 403, "M_INVITE_BLOCKED", invite=[bob.user_id])
    refuses(alice, 404, "M_NOT_FOUND", invite=[f"@nobody-here:{server.name}"])
    refuses(alice, 400, "M_INVALID_PARAM", invite=["bob"])
    refuses(alice, 400, "M_INVALID_ROOM_STATE", invite=[alice.user_id])


def test_a_room_stands_without_those_whose_server_cannot_be_reached(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(invite=["@somebody:elsewhere.test", bob.user_id])
    members = alice.get(f"/rooms/{room_id}/members")["chunk"]
    assert {member["state_key"] for member in members} == {alice.user_id, bob.user_id}


def test_nobody_is_looked_up_by_an_address(alice: Person) -> None:
    by_mail = {"id_server": "is.test", "id_access_token": "x", "medium": "email", "address": "bob@x.test"}
    refuses(alice, 403, "M_SERVER_NOT_TRUSTED", invite_3pid=[by_mail])
    alice.create_room(invite_3pid=[])


def test_limits(alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create_room, "MAX_INVITES", 0)
    monkeypatch.setattr(create_room, "MAX_INITIAL_STATE", 1)
    one = {"type": "com.example", "content": {}}
    alice.create_room(initial_state=[one], invite=[])
    refuses(alice, 400, "M_INVALID_PARAM", initial_state=[one, one])
    refuses(alice, 400, "M_INVALID_PARAM", invite=[bob.user_id])


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "secret_chat"},
        {"visibility": "hidden"},
        {"name": 5},
        {"invite": "@bob:x"},
        {"initial_state": [{"type": "a"}]},
        {"initial_state": [{"content": {}}]},
        {"creation_content": []},
        {"is_direct": "yes"},
        {"initial_state": [{"type": "a", "content": {"float": 1.5}}]},
        {"initial_state": [{"type": "a", "content": {"large": 2**53}}]},
    ],
)
def test_a_malformed_body_is_refused(alice: Person, options: dict[str, Any]) -> None:
    before = alice.get("/joined_rooms")
    answer = alice.request("POST", "/createRoom", options)
    assert answer.status_code == 400
    assert answer.json()["errcode"] in ("M_BAD_JSON", "M_MISSING_PARAM")
    assert alice.get("/joined_rooms") == before


@pytest.mark.parametrize(
    "options",
    [
        {"initial_state": [{"type": "m.room.create", "content": {}}]},
        {"initial_state": [{"type": "m.room.member", "state_key": "@x:y", "content": {"membership": "ban"}}]},
        {"power_level_content_override": {"users": {}}, "room_version": "11", "name": "too late"},
        {"creation_content": {"additional_creators": "@bob:x"}},
        {"creation_content": {"additional_creators": ["bob"]}},
        {"creation_content": {"additional_creators": "x"}, "preset": "trusted_private_chat"},
        {"power_level_content_override": {"ban": "fifty"}},
    ],
)
def test_a_state_that_the_rules_refuse_is_no_room(alice: Person, options: dict[str, Any]) -> None:
    assert refuses(alice, 400, "M_INVALID_ROOM_STATE", **options)


def test_an_event_that_is_too_large_is_no_room(alice: Person) -> None:
    refuses(alice, 413, "M_TOO_LARGE", topic="x" * 70_000)


def test_aliases_in_initial_state_must_point_to_the_room(alice: Person, server: Running) -> None:
    localpart = f"{alice.localpart}-canonical"
    own = {"type": "m.room.canonical_alias", "content": {"alias": f"#{localpart}:{server.name}"}}
    refuses(alice, 400, "M_BAD_ALIAS", initial_state=[own])
    alice.create_room(initial_state=[own], room_alias_name=localpart)


def test_creation_content_goes_into_the_create_event(alice: Person) -> None:
    wished = {"type": "m.space", "m.federate": False, "creator": "@mallory:x", "room_version": "4"}
    state = state_of(alice, alice.create_room(creation_content=wished))
    assert state["m.room.create", ""] == {"type": "m.space", "m.federate": False, "room_version": "12"}
    state = state_of(alice, alice.create_room(creation_content=wished, room_version="10"))
    assert state["m.room.create", ""]["creator"] == alice.user_id


# Power levels.


@pytest.mark.parametrize("version", ["11", "12"])
def test_trusted_guests_have_the_same_rights_as_the_creator(alice: Person, bob: Person, version: str) -> None:
    carol = f"@carol:{alice.user_id.partition(':')[2]}"
    room_id = alice.create_room(
        preset="trusted_private_chat",
        invite=[bob.user_id],
        room_version=version,
        creation_content={"additional_creators": [carol]},
    )
    state = state_of(alice, room_id)
    if version == "12":
        assert state["m.room.create", ""]["additional_creators"] == [carol, bob.user_id]
        assert state[LEVELS]["users"] == {}
    else:
        assert state["m.room.create", ""]["additional_creators"] == [carol]
        assert state[LEVELS]["users"] == {alice.user_id: 100, bob.user_id: 100}
    bob.join(room_id)
    bob.put(f"/rooms/{room_id}/state/m.room.power_levels", {**state[LEVELS], "ban": 75})


def test_others_who_are_invited_have_no_rights(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="private_chat", invite=[bob.user_id])
    state = state_of(alice, room_id)
    assert "additional_creators" not in state["m.room.create", ""]
    assert state[LEVELS]["users"] == {}
    bob.join(room_id)
    path = f"/rooms/{room_id}/state/m.room.power_levels"
    refused(bob.request("PUT", path, {**state[LEVELS], "ban": 75}), 403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("version", "override", "level"),
    [
        ("11", {}, 100),
        ("12", {}, 150),
        ("12", {"state_default": 200}, 201),
        ("12", {"events": {"m.room.name": 30}}, 150),
        ("12", {"events": {"m.room.tombstone": 60}}, 60),
        ("11", {"events": {"m.room.name": 30}}, None),
    ],
)
def test_the_level_for_ending_a_room(
    alice: Person, version: str, override: dict[str, Any], level: int | None
) -> None:
    room_id = alice.create_room(room_version=version, power_level_content_override=override)
    assert state_of(alice, room_id)[LEVELS]["events"].get("m.room.tombstone") == level


def test_an_override_is_applied_on_top_of_the_default(alice: Person) -> None:
    usual = state_of(alice, alice.create_room())[LEVELS]
    room_id = alice.create_room(power_level_content_override={"events_default": 10, "users": {"@x:y": 50}})
    assert state_of(alice, room_id)[LEVELS] == {**usual, "events_default": 10, "users": {"@x:y": 50}}


def test_creators_cannot_be_given_a_level_where_they_stand_above_all(alice: Person) -> None:
    override = {"users": {alice.user_id: 100}}
    refuses(alice, 400, "M_INVALID_ROOM_STATE", power_level_content_override=override)
    alice.create_room(room_version="11", power_level_content_override=override)
