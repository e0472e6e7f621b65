"""Inviting, joining, knocking, leaving, removing and banning."""

from __future__ import annotations

from typing import Any

import pytest
from nacl.signing import SigningKey

from hamrasan.protocol.base64 import encode_base64
from hamrasan.protocol.canonical_json import encode_canonical
from tests.reading import room_path, set_state
from tests.rooms_over_http import VERSIONS, act, join_any, knock, member_of, state_of, timeline
from tests.running import Person, Running, answered, refused
from tests.sliding import Connection

MEMBER = "m.room.member"


def memberships(person: Person, room_id: str, who: Person) -> list[str]:
    """Return the memberships that somebody had, one for each event."""
    return [
        event["content"]["membership"]
        for event in timeline(person, room_id)
        if event["type"] == MEMBER and event["state_key"] == who.user_id
    ]


# Joining.


def test_a_public_room_can_be_joined_by_id_and_alias(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room(preset="public_chat", room_alias_name=f"{alice.localpart}-join")
    alias = state_of(alice, room_id)["m.room.canonical_alias", ""]["alias"]
    assert answered(join_any(bob, alias, {"reason": "looking"}, via="elsewhere.test")) == {"room_id": room_id}
    assert member_of(alice, room_id, bob) == {"membership": "join", "reason": "looking"}
    assert answered(act(carol, room_id, "join")) == {"room_id": room_id}
    assert bob.get("/joined_rooms") == {"joined_rooms": [room_id]}


def test_joining_twice_changes_nothing(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    before = timeline(alice, room_id)
    assert answered(join_any(bob, room_id, {"reason": "again"})) == {"room_id": room_id}
    assert [event["event_id"] for event in timeline(alice, room_id)] == [e["event_id"] for e in before]


def test_what_cannot_be_joined(alice: Person, bob: Person) -> None:
    room_id = alice.create_room()
    refused(join_any(bob, room_id), 403, "M_FORBIDDEN")
    refused(act(bob, room_id, "join"), 403, "M_FORBIDDEN")
    refused(join_any(bob, "!unknown:hamrasan.test"), 404, "M_NOT_FOUND")
    refused(join_any(bob, "#unknown:hamrasan.test"), 404, "M_NOT_FOUND")
    refused(join_any(bob, "neither"), 400, "M_INVALID_PARAM")
    refused(join_any(bob, room_id, {"reason": 5}), 400, "M_BAD_JSON")
    assert memberships(alice, room_id, bob) == []
    assert bob.get("/joined_rooms") == {"joined_rooms": []}


def test_who_joins_is_introduced_with_name_and_avatar(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "بابک"})
    bob.put(f"/profile/{bob.user_id}/avatar_url", {"avatar_url": "mxc://x.test/bob"})
    bob.join(room_id)
    introduced = {"displayname": "بابک", "avatar_url": "mxc://x.test/bob"}
    assert member_of(alice, room_id, bob) == {"membership": "join", **introduced}
    answered(act(bob, room_id, "leave"))
    assert member_of(alice, room_id, bob) == {"membership": "leave"}


# Inviting.


def test_an_invite_is_shown_and_accepted(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(name="Roof")
    answered(act(alice, room_id, "invite", bob, reason="come up"))
    invited = bob.sync()["rooms"]["invite"][room_id]["invite_state"]["events"]
    assert {"m.room.create", "m.room.name", MEMBER} <= {event["type"] for event in invited}
    assert member_of(alice, room_id, bob) == {"membership": "invite", "reason": "come up"}
    bob.join(room_id)
    assert memberships(alice, room_id, bob) == ["invite", "join"]


def test_inviting_again_changes_nothing_but_for_another_inviter(
    alice: Person, bob: Person, carol: Person
) -> None:
    room_id = alice.create_room(invite=[carol.user_id])
    carol.join(room_id)
    answered(act(alice, room_id, "invite", bob))
    answered(act(alice, room_id, "invite", bob))
    assert memberships(alice, room_id, bob) == ["invite"]
    answered(act(carol, room_id, "invite", bob))  # bob may ignore alice, and then has not seen hers
    assert memberships(alice, room_id, bob) == ["invite", "invite"]


def test_who_cannot_invite_and_who_cannot_be_invited(
    alice: Person, bob: Person, carol: Person, server: Running
) -> None:
    room_id = alice.create_room(power_level_content_override={"invite": 50}, invite=[bob.user_id])
    refused(act(bob, room_id, "invite", carol), 403, "M_FORBIDDEN")  # only invited
    bob.join(room_id)
    refused(act(bob, room_id, "invite", carol), 403, "M_FORBIDDEN")  # no rights
    refused(act(alice, room_id, "invite", bob), 403, "M_FORBIDDEN")  # is in already
    refused(act(alice, "!unknown:x", "invite", bob), 403, "M_FORBIDDEN")
    for user_id, status, errcode in (
        (f"@nobody:{server.name}", 404, "M_NOT_FOUND"),
        ("@somebody:elsewhere.test", 502, "M_CONNECTION_FAILED"),
        ("nobody", 400, "M_INVALID_PARAM"),
    ):
        refused(alice.request("POST", room_path(room_id, "invite"), {"user_id": user_id}), status, errcode)
    answered(act(alice, room_id, "ban", carol))
    refused(act(alice, room_id, "invite", carol), 403, "M_FORBIDDEN")
    assert memberships(alice, room_id, carol) == ["ban"]
    refused(alice.request("POST", room_path(room_id, "invite"), {}), 400, "M_MISSING_PARAM")


def test_who_takes_no_invites_gets_none(alice: Person, bob: Person) -> None:
    room_id = alice.create_room()
    config = f"/user/{bob.user_id}/account_data/m.invite_permission_config"
    bob.put(config, {"default_action": "block"})
    refused(act(alice, room_id, "invite", bob), 403, "M_INVITE_BLOCKED")
    path = room_path(room_id, "state", MEMBER, bob.user_id)
    refused(alice.request("PUT", path, {"membership": "invite"}), 403, "M_INVITE_BLOCKED")
    assert memberships(alice, room_id, bob) == []
    answered(act(alice, room_id, "ban", bob))
    answered(act(alice, room_id, "unban", bob))
    bob.put(config, {})
    answered(act(alice, room_id, "invite", bob))


def test_an_invite_that_is_there_already_is_not_shown_while_none_are_wanted(
    alice: Person, bob: Person
) -> None:
    config = f"/user/{bob.user_id}/account_data/m.invite_permission_config"
    room_id = alice.create_room(invite=[bob.user_id])
    lists = {"all": {"ranges": [[0, 9]], "timeline_limit": 1, "required_state": []}}
    assert room_id in bob.sync()["rooms"]["invite"]
    bob.put(config, {"default_action": "block"})
    assert "rooms" not in bob.sync()
    assert Connection(bob).sync(lists=lists)["rooms"] == {}
    bob.put(config, {})
    assert room_id in bob.sync()["rooms"]["invite"]
    assert room_id in Connection(bob).sync(lists=lists)["rooms"]


def test_lists_say_whose_invites_are_taken(alice: Person, bob: Person, carol: Person) -> None:
    """The first list that matches decides (MSC4155)."""
    config = f"/user/{carol.user_id}/account_data/org.matrix.msc4155.invite_permission_config"
    carol.put(config, {"allowed_users": [alice.user_id], "blocked_servers": ["hamrasan.*"]})
    shown = alice.create_room(invite=[carol.user_id])
    refused(act(bob, bob.create_room(), "invite", carol), 403, "M_INVITE_BLOCKED")
    assert list(carol.sync()["rooms"]["invite"]) == [shown]
    carol.put(config, {"ignored_users": ["@bob-*"], "blocked_users": [bob.user_id]})
    unseen = bob.create_room(invite=[carol.user_id])
    assert list(carol.sync()["rooms"]["invite"]) == [shown]
    assert memberships(bob, unseen, carol) == ["invite"]
    carol.put(config, {"enabled": False, "ignored_users": ["@bob-*"]})
    assert set(carol.sync()["rooms"]["invite"]) == {shown, unseen}


def test_an_invite_by_address_is_refused_with_its_own_reason(alice: Person, bob: Person) -> None:
    room_id = alice.create_room()
    body = {"id_server": "is.test", "id_access_token": "x", "medium": "email", "address": "a@b.test"}
    refused(alice.request("POST", room_path(room_id, "invite"), body), 403, "M_SERVER_NOT_TRUSTED")
    refused(bob.request("POST", room_path(room_id, "invite"), body), 403, "M_FORBIDDEN")


# Leaving and forgetting.


def test_leaving_ends_everything_that_there_is_of_a_membership(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    answered(act(bob, room_id, "leave", reason="late"))
    assert member_of(alice, room_id, bob) == {"membership": "leave", "reason": "late"}
    before = memberships(alice, room_id, bob)
    answered(act(bob, room_id, "leave"))
    assert memberships(alice, room_id, bob) == before
    answered(act(alice, room_id, "invite", bob))
    answered(act(bob, room_id, "leave"))
    assert memberships(alice, room_id, bob) == ["join", "leave", "invite", "leave"]
    assert bob.get("/joined_rooms") == {"joined_rooms": []}


def test_who_has_nothing_to_leave(alice: Person, bob: Person) -> None:
    room_id = alice.create_room()
    refused(act(bob, room_id, "leave"), 403, "M_FORBIDDEN")
    refused(act(bob, "!unknown:x", "leave"), 403, "M_FORBIDDEN")
    answered(act(alice, room_id, "ban", bob))
    refused(act(bob, room_id, "leave"), 403, "M_FORBIDDEN")
    assert memberships(alice, room_id, bob) == ["ban"]


def test_a_room_is_forgotten_after_leaving_only(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    refused(act(bob, room_id, "forget"), 403, "M_FORBIDDEN")
    bob.join(room_id)
    refused(act(bob, room_id, "forget"), 400, "M_UNKNOWN")
    bob.get(room_path(room_id, "messages"), dir="b")
    answered(act(bob, room_id, "leave"))
    bob.get(room_path(room_id, "messages"), dir="b")
    answered(act(bob, room_id, "forget"))
    refused(bob.request("GET", room_path(room_id, "messages"), dir="b"), 403, "M_FORBIDDEN")
    wanted = '{"room":{"include_leave":true}}'
    assert room_id not in bob.sync(filter=wanted).get("rooms", {}).get("leave", {})
    bob.join(room_id)
    assert room_id in bob.sync()["rooms"]["join"]


# Removing and banning.


def test_removing_a_member_an_invite_and_a_knock(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(
        initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]
    )
    answered(act(alice, room_id, "invite", bob))
    answered(act(alice, room_id, "kick", bob))
    answered(knock(bob, room_id))
    answered(act(alice, room_id, "kick", bob))
    answered(act(alice, room_id, "invite", bob))
    bob.join(room_id)
    answered(act(alice, room_id, "kick", bob, reason="too loud"))
    assert memberships(alice, room_id, bob) == [
        "invite",
        "leave",
        "knock",
        "leave",
        "invite",
        "join",
        "leave",
    ]
    assert member_of(alice, room_id, bob) == {"membership": "leave", "reason": "too loud"}


def test_who_cannot_remove_and_who_cannot_be_removed(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    refused(act(alice, room_id, "kick", bob), 403, "M_FORBIDDEN")  # never was there
    bob.join(room_id)
    refused(act(carol, room_id, "kick", bob), 403, "M_FORBIDDEN")  # is not there herself
    carol.join(room_id)
    refused(act(carol, room_id, "kick", bob), 403, "M_FORBIDDEN")  # has no rights
    refused(act(bob, room_id, "kick", alice), 403, "M_FORBIDDEN")
    assert memberships(alice, room_id, bob) == ["join"]
    answered(act(alice, room_id, "ban", bob))
    refused(act(alice, room_id, "kick", bob), 403, "M_FORBIDDEN")  # that would lift the ban
    assert memberships(alice, room_id, bob) == ["join", "ban"]


def test_a_ban_keeps_out_until_it_is_lifted(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    answered(act(alice, room_id, "ban", bob, reason="spam"))
    assert member_of(alice, room_id, bob) == {"membership": "ban", "reason": "spam"}
    refused(join_any(bob, room_id), 403, "M_FORBIDDEN")
    refused(act(alice, room_id, "invite", bob), 403, "M_FORBIDDEN")
    answered(act(alice, room_id, "unban", bob, reason="enough"))
    assert member_of(alice, room_id, bob) == {"membership": "leave", "reason": "enough"}
    refused(act(alice, room_id, "unban", bob), 403, "M_BAD_STATE")
    bob.join(room_id)
    assert memberships(alice, room_id, bob) == ["join", "ban", "leave", "join"]


def test_rights_to_ban_and_to_lift_bans(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    refused(act(bob, room_id, "ban", carol), 403, "M_FORBIDDEN")
    refused(act(bob, room_id, "ban", alice), 403, "M_FORBIDDEN")
    answered(act(alice, room_id, "ban", carol))  # somebody who was never there
    refused(act(bob, room_id, "unban", carol), 403, "M_FORBIDDEN")
    assert memberships(alice, room_id, carol) == ["ban"]


@pytest.mark.parametrize("action", ["kick", "ban", "unban", "invite"])
@pytest.mark.parametrize(("body", "errcode"), [({}, "M_MISSING_PARAM"), ({"user_id": 1}, "M_BAD_JSON")])
def test_bodies_without_a_user(alice: Person, action: str, body: dict[str, Any], errcode: str) -> None:
    room_id = alice.create_room()
    refused(alice.request("POST", room_path(room_id, action), body), 400, errcode)


# Knocking.


@pytest.mark.parametrize("version", [version for version in VERSIONS if int(version) >= 7])
def test_a_knock_is_answered_with_an_invite(alice: Person, bob: Person, version: str) -> None:
    room_id = alice.create_room(room_version=version, room_alias_name=f"{alice.localpart}-knock")
    alias = state_of(alice, room_id)["m.room.canonical_alias", ""]["alias"]
    refused(knock(bob, room_id), 403, "M_FORBIDDEN")
    set_state(alice, room_id, "m.room.join_rules", {"join_rule": "knock"})
    refused(join_any(bob, room_id), 403, "M_FORBIDDEN")
    bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"})
    assert answered(knock(bob, alias, reason="please")) == {"room_id": room_id}
    assert member_of(alice, room_id, bob) == {"membership": "knock", "reason": "please", "displayname": "Bob"}
    answered(knock(bob, room_id))
    assert memberships(alice, room_id, bob) == ["knock"]
    refused(join_any(bob, room_id), 403, "M_FORBIDDEN")
    answered(act(alice, room_id, "invite", bob))
    refused(knock(bob, room_id), 403, "M_FORBIDDEN")
    bob.join(room_id)
    refused(knock(bob, room_id), 403, "M_FORBIDDEN")
    assert memberships(alice, room_id, bob) == ["knock", "invite", "join"]


def test_a_knock_can_be_taken_back(alice: Person, bob: Person) -> None:
    room_id = alice.create_room()
    set_state(alice, room_id, "m.room.join_rules", {"join_rule": "knock"})
    answered(knock(bob, room_id))
    answered(act(bob, room_id, "leave"))
    assert memberships(alice, room_id, bob) == ["knock", "leave"]
    answered(act(alice, room_id, "ban", bob))
    refused(knock(bob, room_id), 403, "M_FORBIDDEN")
    refused(knock(bob, "!unknown:elsewhere.test"), 502, "M_CONNECTION_FAILED")
    refused(knock(bob, "#unknown:hamrasan.test"), 404, "M_NOT_FOUND")


def test_versions_without_knocking(alice: Person, bob: Person) -> None:
    room_id = alice.create_room(room_version="6")
    set_state(alice, room_id, "m.room.join_rules", {"join_rule": "knock"})
    refused(knock(bob, room_id), 403, "M_FORBIDDEN")


# Restricted joins.


def restricted(owner: Person, allowed: str, version: str = "12", rule: str = "restricted") -> str:
    allow = [{"type": "org.example.other"}, {"type": "m.room_membership", "room_id": allowed}]
    rules = {"type": "m.room.join_rules", "content": {"join_rule": rule, "allow": allow}}
    return owner.create_room(room_version=version, initial_state=[rules])


@pytest.mark.parametrize(
    ("version", "rule"),
    [(version, "restricted") for version in ("8", "9", "10", "11", "12")]
    + [(version, "knock_restricted") for version in ("10", "11", "12")],
)
def test_members_of_another_room_may_join(
    alice: Person, bob: Person, carol: Person, version: str, rule: str
) -> None:
    club = alice.create_room(preset="public_chat")
    room_id = restricted(alice, club, version, rule)
    bob.join(club)
    bob.join(room_id)
    assert member_of(alice, room_id, bob) == {
        "membership": "join",
        "join_authorised_via_users_server": alice.user_id,
    }
    refused(join_any(carol, room_id), 403, "M_FORBIDDEN")
    answered(act(bob, club, "leave"))
    bob.send(room_id, "still here")
    answered(act(bob, room_id, "leave"))
    refused(join_any(bob, room_id), 403, "M_FORBIDDEN")
    assert memberships(alice, room_id, bob) == ["join", "leave"]


def test_an_invite_needs_no_condition(alice: Person, bob: Person) -> None:
    room_id = restricted(alice, "!unknown:x")
    refused(join_any(bob, room_id), 403, "M_FORBIDDEN")
    answered(act(alice, room_id, "invite", bob))
    bob.join(room_id)
    assert member_of(alice, room_id, bob) == {"membership": "join"}


def test_the_ban_is_stronger_than_the_condition(alice: Person, bob: Person) -> None:
    club = alice.create_room(preset="public_chat")
    room_id = restricted(alice, club)
    bob.join(club)
    answered(act(alice, room_id, "ban", bob))
    refused(join_any(bob, room_id), 403, "M_FORBIDDEN")


def test_somebody_who_may_invite_has_to_vouch(alice: Person, bob: Person, carol: Person) -> None:
    club = alice.create_room(preset="public_chat")
    bob.join(club)
    carol.join(club)
    room_id = restricted(alice, club)
    bob.join(room_id)
    set_state(alice, room_id, "m.room.power_levels", {"users": {}, "invite": 50})
    answered(act(alice, room_id, "leave"))
    refused(join_any(carol, room_id), 403, "M_FORBIDDEN")  # bob is there, but may not invite
    assert memberships(bob, room_id, carol) == []


def test_nobody_vouches_for_themselves_through_the_state(alice: Person, bob: Person) -> None:
    club = alice.create_room()
    room_id = restricted(alice, club)
    path = room_path(room_id, "state", MEMBER, bob.user_id)
    forged = {"membership": "join", "join_authorised_via_users_server": alice.user_id}
    refused(bob.request("PUT", path, forged), 403, "M_FORBIDDEN")
    assert memberships(alice, room_id, bob) == []


@pytest.mark.parametrize(("rule", "version"), [("restricted", "7"), ("knock_restricted", "9")])
def test_versions_without_the_rule_let_nobody_in(alice: Person, bob: Person, rule: str, version: str) -> None:
    club = alice.create_room(preset="public_chat")
    room_id = restricted(alice, club, version, rule)
    bob.join(club)
    refused(join_any(bob, room_id), 403, "M_FORBIDDEN")


# Memberships as state.


def test_memberships_that_are_set_as_state_follow_the_same_rules(
    alice: Person, bob: Person, carol: Person
) -> None:
    room_id = alice.create_room(preset="public_chat")
    bob.put(f"/profile/{bob.user_id}/displayname", {"displayname": "Bob"})
    own = room_path(room_id, "state", MEMBER, bob.user_id)
    refused(alice.request("PUT", own, {"membership": "join"}), 403, "M_FORBIDDEN")
    bob.put(own, {"membership": "join"})
    assert member_of(alice, room_id, bob) == {"membership": "join", "displayname": "Bob"}
    bob.put(own, {"membership": "join", "displayname": "Bob of the roof"})
    assert member_of(alice, room_id, bob)["displayname"] == "Bob of the roof"
    alice.put(own, {"membership": "leave", "reason": "out"})
    assert memberships(alice, room_id, bob) == ["join", "join", "leave"]
    refused(carol.request("PUT", own, {"membership": "ban"}), 403, "M_FORBIDDEN")
    for malformed in ({}, {"membership": 1}):
        refused(bob.request("PUT", own, malformed), 400, "M_BAD_JSON")
    refused(bob.request("PUT", own, {"membership": "guest"}), 403, "M_FORBIDDEN")
    nobody = room_path(room_id, "state", MEMBER, "not a user")
    refused(alice.request("PUT", nobody, {"membership": "invite"}), 400, "M_INVALID_PARAM")
    assert memberships(alice, room_id, bob) == ["join", "join", "leave"]


def test_nobody_is_removed_through_the_state_who_never_was_inside(
    alice: Person, bob: Person, carol: Person
) -> None:
    room_id = alice.create_room(invite=[bob.user_id])
    since = carol.sync()["next_batch"]
    content = {"membership": "leave", "reason": "read this"}
    path = room_path(room_id, "state", MEMBER, carol.user_id)
    refused(alice.request("PUT", path, content), 403, "M_FORBIDDEN")
    assert memberships(alice, room_id, carol) == []
    assert "rooms" not in carol.sync(since)
    alice.put(room_path(room_id, "state", MEMBER, bob.user_id), content)
    alice.put(path, {"membership": "ban"})
    alice.put(path, content)
    assert memberships(alice, room_id, bob) == ["invite", "leave"]
    assert memberships(alice, room_id, carol) == ["ban", "leave"]


# Invites to an address, which other servers and clients may have written into a room.


def pending_invite(owner: Person, room_id: str, **content: Any) -> SigningKey:
    key = SigningKey.generate()
    public = encode_base64(bytes(key.verify_key))
    usual = {"display_name": "b...@x", "public_key": public, "public_keys": [{"public_key": public}]}
    set_state(owner, room_id, "m.room.third_party_invite", {**usual, **content}, "token")
    return key


def signed_for(user_id: str, key: SigningKey, token: str = "token", sender: str = "@x:y") -> dict[str, Any]:
    signed: dict[str, Any] = {"mxid": user_id, "token": token, "sender": sender}
    signature = encode_base64(key.sign(encode_canonical(signed)).signature)
    return {**signed, "signatures": {"is.test": {"ed25519:0": signature}}}


def test_a_signed_invite_lets_its_person_in(alice: Person, bob: Person, carol: Person) -> None:
    room_id = alice.create_room()
    key = pending_invite(alice, room_id)
    signed = signed_for(bob.user_id, key)
    refused(join_any(carol, room_id, {"third_party_signed": signed}), 403, "M_FORBIDDEN")
    refused(join_any(bob, room_id), 403, "M_FORBIDDEN")
    answered(join_any(bob, room_id, {"third_party_signed": signed}))
    assert memberships(alice, room_id, bob) == ["invite", "join"]


@pytest.mark.parametrize("removed", [False, True])
def test_a_signed_invite_is_not_sent_by_who_was_removed(
    alice: Person, bob: Person, carol: Person, removed: bool
) -> None:
    room_id = alice.create_room(invite=[bob.user_id])
    bob.join(room_id)
    signed = signed_for(carol.user_id, pending_invite(bob, room_id))
    if removed:
        answered(act(alice, room_id, "ban", bob))
    content = {"membership": "invite", "third_party_invite": {"display_name": "c", "signed": signed}}
    response = bob.request("PUT", room_path(room_id, "state", MEMBER, carol.user_id), content)
    if removed:
        refused(response, 403, "M_FORBIDDEN")
    else:
        answered(response)
    assert memberships(alice, room_id, carol) == ([] if removed else ["invite"])


@pytest.mark.parametrize("wrong", ["key", "token", "validity", "mxid", "form"])
def test_a_signed_invite_has_to_match_in_everything(alice: Person, bob: Person, wrong: str) -> None:
    room_id = alice.create_room()
    more = {"key_validity_url": "https://is.test/valid"} if wrong == "validity" else {}
    key = pending_invite(alice, room_id, **more)
    signed = signed_for(
        "@mallory:hamrasan.test" if wrong == "mxid" else bob.user_id,
        SigningKey.generate() if wrong == "key" else key,
        "other" if wrong == "token" else "token",
    )
    if wrong == "form":
        refused(join_any(bob, room_id, {"third_party_signed": {"mxid": 1}}), 400, "M_BAD_JSON")
    else:
        refused(join_any(bob, room_id, {"third_party_signed": signed}), 403, "M_FORBIDDEN")
    assert memberships(alice, room_id, bob) == []


# Suspended users.


def test_who_is_suspended_may_leave_but_not_take_part(server: Running) -> None:
    alice, bob, admin = server.register("alice"), server.register("bob"), server.register("admin")
    server.run(server.server.services.accounts.set_admin(admin.user_id, True))
    first, second = alice.create_room(preset="public_chat"), alice.create_room(preset="public_chat")
    bob.join(first)
    admin.put(f"/_matrix/client/v1/admin/suspend/{bob.user_id}", {"suspended": True})
    for response in (
        join_any(bob, second),
        knock(bob, second),
        act(bob, first, "invite", alice),
        act(bob, first, "kick", alice),
        act(bob, first, "ban", alice),
        bob.request("PUT", room_path(first, "send", "m.room.message", "t"), {"body": "x"}),
        bob.request("PUT", room_path(first, "state", "m.room.name", ""), {"name": "x"}),
        bob.request("POST", "/createRoom", {}),
    ):
        refused(response, 403, "M_USER_SUSPENDED")
    answered(act(bob, first, "leave"))
    assert memberships(alice, first, bob) == ["join", "leave"]


def test_who_is_suspended_takes_back_what_is_their_own_and_nothing_else(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    theirs, own, another = bob.send(room_id, "x"), alice.send(room_id, "y"), alice.send(room_id, "z")
    server.run(server.server.services.accounts.set_suspended(alice.user_id, True))
    for event_id in (theirs, "$unknown"):
        answers = (
            alice.request("PUT", room_path(room_id, "redact", event_id, "t1"), {}),
            alice.request("PUT", room_path(room_id, "send", "m.room.redaction", "t2"), {"redacts": event_id}),
        )
        for answer in answers:
            refused(answer, *((403, "M_USER_SUSPENDED") if event_id == theirs else (404, "M_NOT_FOUND")))
    alice.put(room_path(room_id, "redact", own, "t3"), {"reason": "sorry"})
    alice.put(room_path(room_id, "send", "m.room.redaction", "t4"), {"redacts": another})
    for event_id, content in ((theirs, "x"), (own, None), (another, None)):
        assert bob.get(room_path(room_id, "event", event_id))["content"].get("body") == content


def test_who_is_suspended_removes_nobody_through_the_state(server: Running) -> None:
    alice, bob = server.register("alice"), server.register("bob")
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    server.run(server.server.services.accounts.set_suspended(alice.user_id, True))
    content = {"membership": "leave"}
    refused(
        alice.request("PUT", room_path(room_id, "state", MEMBER, bob.user_id), content),
        403,
        "M_USER_SUSPENDED",
    )
    assert memberships(bob, room_id, bob) == ["join"]
    alice.put(room_path(room_id, "state", MEMBER, alice.user_id), content)
    assert memberships(bob, room_id, alice) == ["join", "leave"]
