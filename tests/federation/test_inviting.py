"""Invites from one server to another (server-server API, "Inviting to a room", "Leaving Rooms (Rejecting Invites)")."""

from __future__ import annotations

import pytest

from hamrasan.protocol.event_format import build_pdu
from hamrasan.protocol.room_versions import room_version
from tests.application_services import Bridge
from tests.federation.across import invites, knows_as_joined, membership, seen, stripped, texts
from tests.federation.country import Member, country, land
from tests.gateways import gateway
from tests.push.pushing import push_to
from tests.reading import room_path
from tests.registrations import write_registration
from tests.rooms_over_http import act, join_any
from tests.running import Person, answered, refused
from tests.sliding import Connection

Pair = tuple[Member, Member]


@pytest.mark.parametrize("version", ["3", "10", "11", "12"])
def test_an_invite_is_shown_and_accepted(pair: Pair, ali: Person, bahar: Person, version: str) -> None:
    room_id = ali.create_room(preset="private_chat", name="Tea", room_version=version)
    since = bahar.sync()["next_batch"]
    answered(act(ali, room_id, "invite", bahar, reason="come"))
    assert membership(ali, room_id, bahar) == "invite"
    told = stripped(bahar.sync(since)["rooms"]["invite"][room_id])
    assert told["m.room.name", ""] == {"name": "Tea"}
    assert told["m.room.create", ""].get("room_version", "1") == version
    assert told["m.room.member", bahar.user_id]["membership"] == "invite"
    assert told["m.room.member", bahar.user_id]["reason"] == "come"
    assert "m.room.member" in {key[0] for key in told if key[1] == ali.user_id}
    assert invites(bahar).keys() >= {room_id}, "a first sync shows it, too"
    answered(join_any(bahar, room_id))
    assert knows_as_joined(bahar, room_id)
    assert room_id not in invites(bahar)
    ali.send(room_id, "hello")
    assert seen(lambda: "hello" in texts(bahar, room_id))


def test_an_invite_is_turned_down(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="private_chat")
    ali.invite(room_id, bahar)
    since = bahar.sync()["next_batch"]
    answered(act(bahar, room_id, "leave", reason="no"))
    assert seen(lambda: membership(ali, room_id, bahar) == "leave")
    [event] = bahar.sync(since)["rooms"]["leave"][room_id]["timeline"]["events"]
    assert event["content"] == {"membership": "leave", "reason": "no"}
    assert room_id not in invites(bahar)
    refused(join_any(bahar, room_id, via="a.test"), 403, "M_FORBIDDEN")
    answered(act(bahar, room_id, "forget"))
    ali.invite(room_id, bahar)
    assert room_id in invites(bahar)


def test_an_invite_of_a_server_that_is_gone_is_turned_down_all_the_same() -> None:
    with country("a", "b") as (a, b):
        ali, bahar = a.register("ali"), b.register("bahar")
        room_id = ali.create_room(preset="private_chat")
        ali.invite(room_id, bahar)
        a.stop()
        since = bahar.sync()["next_batch"]
        refused(join_any(bahar, room_id), 502, "M_CONNECTION_FAILED")
        assert room_id in invites(bahar)
        answered(act(bahar, room_id, "leave"))
        assert room_id in bahar.sync(since)["rooms"]["leave"]
        assert room_id not in invites(bahar)
        a.start()


def test_who_is_not_there_or_wants_no_invites_is_not_invited(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="private_chat")
    body = {"user_id": "@nobody-at-all:b.test"}
    refused(ali.request("POST", room_path(room_id, "invite"), body), 404, "M_NOT_FOUND")
    config = f"/user/{bahar.user_id}/account_data/m.invite_permission_config"
    bahar.put(config, {"default_action": "block"})
    refused(act(ali, room_id, "invite", bahar), 403, "M_INVITE_BLOCKED")
    assert membership(ali, room_id, bahar) is None
    assert room_id not in invites(bahar)


def test_a_new_room_invites_users_of_other_servers(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="trusted_private_chat", is_direct=True, invite=[bahar.user_id])
    told = stripped(invites(bahar)[room_id])
    assert told["m.room.member", bahar.user_id]["is_direct"] is True
    answered(join_any(bahar, room_id))


def test_a_closed_room_invites_nobody_of_other_servers(ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(creation_content={"m.federate": False})
    refused(act(ali, room_id, "invite", bahar), 403, "M_FORBIDDEN")


def test_sliding_sync_shows_invites_from_outside_and_their_end(
    pair: Pair, ali: Person, bahar: Person
) -> None:
    connection = Connection(bahar)
    assert connection.rooms() == {}
    room_id = ali.create_room(preset="private_chat", name="Tea")
    ali.invite(room_id, bahar)
    other = ali.create_room(preset="private_chat")
    ali.invite(other, bahar)
    rooms = connection.rooms(timeout=20_000)
    told = {event["type"]: event["content"] for event in rooms[room_id]["invite_state"]}
    assert told["m.room.name"] == {"name": "Tea"}
    answered(act(bahar, room_id, "leave"))
    left = connection.rooms(timeout=20_000)[room_id]
    assert left["timeline"][-1]["content"]["membership"] == "leave"
    answered(join_any(bahar, other))
    joined = connection.rooms(timeout=20_000)[other]
    assert (joined["initial"], joined["joined_count"]) == (True, 2)
    fresh = Connection(bahar, "another").rooms()
    assert fresh.keys() == {other}


def test_an_invite_is_taken_back(pair: Pair, ali: Person, bahar: Person) -> None:
    room_id = ali.create_room(preset="private_chat")
    ali.invite(room_id, bahar)
    since = bahar.sync()["next_batch"]
    answered(act(ali, room_id, "kick", bahar, reason="a mistake"))
    told = seen(lambda: bahar.sync(since).get("rooms", {}).get("leave", {}).get(room_id))
    [event] = told["timeline"]["events"]
    assert (event["sender"], event["content"]["reason"]) == (ali.user_id, "a mistake")
    assert room_id not in invites(bahar)


def test_nobody_else_takes_an_invite_back() -> None:
    with country("a", "b") as (a, b):
        ali, bahar, evil = a.register("ali"), b.register("bahar"), a.land.stranger("evil")
        room_id = ali.create_room(preset="private_chat", room_version="11")
        ali.invite(room_id, bahar)
        version = room_version("11")
        pdu = build_pdu(
            version,
            room_id=room_id,
            type="m.room.member",
            sender="@eve:evil.test",
            content={"membership": "leave"},
            state_key=bahar.user_id,
            origin_server_ts=1,
            depth=9,
            prev_events=[],
            auth_events=[],
        )
        for forged in (pdu, {**pdu, "sender": ali.user_id}):
            body = {"origin": "evil.test", "origin_server_ts": 1, "pdus": [evil.sign(forged, version)]}
            uri = f"/_matrix/federation/v1/send/{forged['sender'][1:4]}"
            assert evil.request(b, "PUT", uri, body).status_code == 200
        assert room_id in invites(bahar)


def test_an_invite_of_another_server_is_pushed(pair: Pair, ali: Person, bahar: Person) -> None:
    ali.put(f"/profile/{ali.user_id}/displayname", {"displayname": "Ali"})
    with gateway(private=True) as own:
        push_to(bahar, own)
        room_id = ali.create_room(preset="private_chat", name="Tea")
        ali.invite(room_id, bahar)
        [told] = [received.notification for received in own.first(1)]
    assert (told["room_id"], told["room_name"], told["sender"]) == (room_id, "Tea", ali.user_id)
    assert (told["user_is_target"], told["sender_display_name"]) == (True, "Ali")
    assert told["content"]["membership"] == "invite"


def test_who_left_a_room_does_not_change_what_this_server_still_knows_of_it(
    pair: Pair, ali: Person, bahar: Person
) -> None:
    room_id = ali.create_room(preset="public_chat")
    answered(join_any(bahar, room_id, via="a.test"))
    answered(act(bahar, room_id, "leave"))
    path = room_path(room_id, "state", "m.room.member", bahar.user_id)
    refused(bahar.request("PUT", path, {"membership": "join"}), 403, "M_FORBIDDEN")
    assert not knows_as_joined(bahar, room_id)


def test_a_bridge_hears_of_invites_of_other_servers() -> None:
    users = [{"regex": r"@_bridge_.*:b\.test", "exclusive": True}]
    bridge = Bridge(namespaces={"users": users, "aliases": [], "rooms": []})
    with land() as empty:
        write_registration(empty.folder / "b.test", bridge.registration)
        a, _ = empty.found("a"), empty.found("b")
        ali = a.register("ali")
        room_id = ali.create_room(preset="private_chat", name="Bridged")
        answered(ali.request("POST", room_path(room_id, "invite"), {"user_id": "@_bridge_bot:b.test"}))
        bridge.wait(lambda: bridge.events)
        [event] = bridge.events
        assert (event["room_id"], event["state_key"]) == (room_id, "@_bridge_bot:b.test")
        told = {each["type"]: each["content"] for each in event["unsigned"]["invite_room_state"]}
        assert told["m.room.name"] == {"name": "Bridged"}
    bridge.close()


def test_an_invite_survives_a_restart() -> None:
    with country("a", "b") as (a, b):
        ali, bahar = a.register("ali"), b.register("bahar")
        room_id = ali.create_room(preset="private_chat")
        ali.invite(room_id, bahar)
        b.stop()
        b.start()
        bahar = b.log_in(bahar)
        assert room_id in invites(bahar)
        a.forgive(b)
        answered(join_any(bahar, room_id))
