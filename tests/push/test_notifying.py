"""Who is pushed which event, and what is said (client-server API, "Push Notifications"; push gateway API)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from urllib.parse import quote

import pytest

from tests.gateways import Answer, Gateway, Received
from tests.push.pushing import last_event, mention, push_to
from tests.reading import ignore, leave, redact, room_path
from tests.running import Person, Running
from tests.threads import reply, subscribe


@pytest.fixture(name="room_id")
def _room(alice: Person, bob: Person, carol: Person) -> str:
    room_id = alice.create_room(preset="public_chat", name="باغ", room_alias_name=f"garden-{alice.localpart}")
    bob.join(room_id)
    carol.join(room_id)
    return room_id


def test_a_message_is_pushed_with_everything_that_the_gateway_api_names(
    alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    alice.put(f"/profile/{quote(alice.user_id)}/displayname", {"displayname": "آلیس"})
    key = push_to(bob, gateway, custom={"a": [1]})
    said = alice.send(room_id, "سلام")
    (received,) = gateway.first(1)
    told = received.notification
    (device,) = told.pop("devices")
    assert told == {
        "event_id": said,
        "room_id": room_id,
        "type": "m.room.message",
        "sender": alice.user_id,
        "sender_display_name": "آلیس",
        "room_name": "باغ",
        "room_alias": f"#garden-{alice.localpart}:hamrasan.test",
        "prio": "low",
        "content": {"msgtype": "m.text", "body": "سلام"},
        "counts": {"unread": 1},
    }
    assert device.pop("pushkey_ts") > 1_700_000_000
    assert device == {"app_id": "org.example.app", "pushkey": key, "data": {"custom": {"a": [1]}}}
    assert received.headers["content-type"] == "application/json"


def test_with_ids_only_nothing_else_is_said(
    alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    key = push_to(bob, gateway, format="event_id_only")
    said = mention(alice, room_id, {"user_ids": [bob.user_id]})
    told = last_event(gateway, said)
    (device,) = told.pop("devices")
    assert told == {"event_id": said, "room_id": room_id, "prio": "high", "counts": {"unread": 1}}
    del device["pushkey_ts"]
    assert device == {"app_id": "org.example.app", "pushkey": key, "data": {"format": "event_id_only"}}
    assert b"a secret" not in gateway.received[0].body


def test_each_pusher_of_a_user_is_told_and_nobody_else(
    pushing: Running, alice: Person, bob: Person, carol: Person, room_id: str, gateway: Gateway
) -> None:
    push_to(bob, gateway, "phone")
    push_to(pushing.log_in(bob), gateway, "tablet")
    push_to(alice, gateway, "sender's own")
    push_to(pushing.register("stranger"), gateway, "stranger's")
    said = alice.send(room_id, "hi")
    again = carol.send(room_id, "hi")
    gateway.first(5)
    assert gateway.events("phone") == gateway.events("tablet") == [said, again]
    assert gateway.events("sender's own") == [again]
    assert gateway.events("stranger's") == []


def test_rules_decide_and_their_tweaks_are_passed_on(
    alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    key = push_to(bob, gateway)
    actions = [
        "notify",
        {"set_tweak": "sound", "value": "bell"},
        {"set_tweak": "org.example.light", "value": 3},
    ]
    bob.put("/pushrules/global/content/tea", {"pattern": "چای", "actions": actions})
    tea = alice.send(room_id, "وقت چای است")
    assert last_event(gateway, tea)["devices"][0]["tweaks"] == {"sound": "bell", "org.example.light": 3}
    assert last_event(gateway, tea)["prio"] == "high"
    bob.put(f"/pushrules/global/room/{quote(room_id)}", {"actions": []})
    alice.send(room_id, "muted")
    tea = alice.send(room_id, "چای")
    bob.put("/pushrules/global/override/.m.rule.master/enabled", {"enabled": True})
    alice.send(room_id, "چای off")
    bob.put("/pushrules/global/override/.m.rule.master/enabled", {"enabled": False})
    last = alice.send(room_id, "چای again")
    last_event(gateway, last)
    assert gateway.events(key)[1:] == [tea, last]


def test_a_mention_highlights_and_a_notice_is_silent(
    alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    key = push_to(bob, gateway)
    alice.send(room_id, "a notice", msgtype="m.notice")
    mentioned = mention(alice, room_id, {"user_ids": [bob.user_id]})
    told = last_event(gateway, mentioned)
    assert told["devices"][0]["tweaks"] == {"sound": "default", "highlight": True}
    assert gateway.events(key) == [mentioned]


def test_devices_of_a_locked_account_are_told_nothing(
    pushing: Running, alice: Person, bob: Person, carol: Person, room_id: str, gateway: Gateway
) -> None:
    keys = [push_to(person, gateway) for person in (bob, carol)]
    accounts = pushing.server.services.accounts
    pushing.run(accounts.set_locked(bob.user_id, True))
    hidden = alice.send(room_id, "while locked")
    gateway.wait(lambda: hidden in gateway.events(keys[1]))

    async def nothing_waits() -> None:
        while await pushing.server.store.push.waiting(bob.user_id, 0, 1):  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0)

    pushing.run(nothing_waits())
    pushing.run(accounts.set_locked(bob.user_id, False))
    shown = alice.send(room_id, "afterwards")
    gateway.wait(lambda: shown in gateway.events(keys[0]))
    assert gateway.events(keys[0]) == [shown]


def test_threads_are_pushed_to_those_who_follow_them(
    alice: Person, bob: Person, carol: Person, room_id: str, gateway: Gateway
) -> None:
    keys = [push_to(person, gateway) for person in (bob, carol)]
    followed, other = alice.send(room_id, "one"), alice.send(room_id, "two")
    bob.put(f"/pushrules/global/room/{quote(room_id)}", {"actions": []})
    subscribe(bob, room_id, followed)
    in_other, in_followed = reply(alice, room_id, other), reply(alice, room_id, followed)
    assert last_event(gateway, in_followed)["room_id"] == room_id
    content: dict[str, Any] = {"m.mentions": {"user_ids": [bob.user_id]}}
    mentioned = reply(alice, room_id, other, **content)
    gateway.wait(lambda: all(mentioned in gateway.events(key) for key in keys))
    assert gateway.events(keys[0])[-2:] == [in_followed, mentioned]
    assert gateway.events(keys[1]) == [followed, other, in_other, in_followed, mentioned]


def test_only_who_may_mention_the_room_highlights_everybody(
    alice: Person, bob: Person, carol: Person, room_id: str, gateway: Gateway
) -> None:
    push_to(bob, gateway)
    may_not = mention(carol, room_id, {"room": True})
    may = mention(alice, room_id, {"room": True})
    assert "tweaks" not in last_event(gateway, may_not)["devices"][0]
    assert last_event(gateway, may)["devices"][0]["tweaks"] == {"highlight": True}


def test_levels_of_other_notifications_are_those_of_the_room(
    alice: Person, bob: Person, carol: Person, room_id: str, gateway: Gateway
) -> None:
    levels = alice.get(room_path(room_id, "state", "m.room.power_levels") + "/")
    levels.setdefault("notifications", {})["org.example.bell"] = 0
    alice.put(room_path(room_id, "state", "m.room.power_levels") + "/", levels)
    push_to(bob, gateway)
    for key in ("org.example.bell", "org.example.unknown"):
        condition = {"kind": "sender_notification_permission", "key": key}
        actions = ["notify", {"set_tweak": "sound", "value": key}]
        bob.put(f"/pushrules/global/override/{key}", {"conditions": [condition], "actions": actions})
    said = carol.send(room_id, "ring")
    assert last_event(gateway, said)["devices"][0]["tweaks"] == {"sound": "org.example.bell"}


def test_in_a_room_of_two_messages_make_a_sound(alice: Person, bob: Person, gateway: Gateway) -> None:
    room_id = alice.create_room(preset="trusted_private_chat", invite=[bob.user_id], is_direct=True)
    bob.join(room_id)
    push_to(bob, gateway)
    said = alice.send(room_id, "hi")
    assert last_event(gateway, said)["devices"][0]["tweaks"] == {"sound": "default"}
    sealed = alice.send(room_id, "x", "m.room.encrypted")
    assert last_event(gateway, sealed)["prio"] == "high"
    call = alice.send(room_id, "x", "m.call.invite")
    assert last_event(gateway, call)["devices"][0]["tweaks"] == {"sound": "ring"}


def test_an_invitation_is_pushed_to_whom_it_invites(
    alice: Person, bob: Person, carol: Person, gateway: Gateway
) -> None:
    push_to(bob, gateway)
    push_to(carol, gateway)
    room_id = alice.create_room(name="Secret", invite=[carol.user_id])
    alice.invite(room_id, bob)
    told = [received.notification for received in gateway.first(2)]
    assert [each["user_is_target"] for each in told] == [True, True]
    assert {each["devices"][0]["pushkey"] for each in told} == {
        f"key of {bob.localpart}",
        f"key of {carol.localpart}",
    }
    assert told[0]["room_name"] == "Secret"
    assert told[0]["content"]["membership"] == "invite"
    alice.send(room_id, "nobody else is here")
    bob.join(room_id)
    said = alice.send(room_id, "welcome")
    last_event(gateway, said)
    assert len(gateway.accepted) == 3


def test_ignored_people_are_not_heard(
    alice: Person, bob: Person, carol: Person, room_id: str, gateway: Gateway
) -> None:
    key = push_to(bob, gateway)
    ignore(bob, carol)
    carol.send(room_id, "unheard")
    carol.invite(carol.create_room(), bob)
    said = alice.send(room_id, "heard")
    last_event(gateway, said)
    assert gateway.events(key) == [said]


def test_who_comes_and_goes_is_told_of_what_is_said_meanwhile(
    pushing: Running, alice: Person, room_id: str, gateway: Gateway
) -> None:
    dave = pushing.register("dave")
    key = push_to(dave, gateway)
    alice.send(room_id, "before")
    dave.join(room_id)
    heard = alice.send(room_id, "while there")
    last_event(gateway, heard)
    leave(dave, room_id)
    alice.send(room_id, "gone")
    dave.join(room_id)
    again = alice.send(room_id, "back")
    last_event(gateway, again)
    assert gateway.events(key) == [heard, again]


def test_who_gets_a_pusher_later_is_told_of_what_comes_then(
    alice: Person, bob: Person, carol: Person, room_id: str, gateway: Gateway
) -> None:
    push_to(carol, gateway)
    last_event(gateway, alice.send(room_id, "one"))
    key = push_to(bob, gateway)
    said = alice.send(room_id, "two")
    gateway.wait(lambda: gateway.events(key))
    assert gateway.events(key) == [said]


def test_what_is_taken_back_or_read_before_it_is_sent_is_not_pushed(
    alice: Person, bob: Person, room_id: str, gateway: Gateway
) -> None:
    may_go_on = threading.Event()

    def hold(_: Received) -> Answer:
        may_go_on.wait(30)
        return Answer()

    gateway.answer = hold
    key = push_to(bob, gateway)
    first = alice.send(room_id, "first")
    gateway.wait(lambda: gateway.received)
    read = alice.send(room_id, "read elsewhere")
    redacted = alice.send(room_id, "taken back")
    redact(alice, room_id, redacted)
    bob.post(room_path(room_id, "receipt", "m.read", read), {})
    last = alice.send(room_id, "last")
    may_go_on.set()
    last_event(gateway, last)
    assert gateway.events(key) == [first, last]
