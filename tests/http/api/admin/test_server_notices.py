"""Server notices: what the operator has to tell a user (client-server API, "Server Notices")."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.reading import bodies, leave, room_path, walk
from tests.running import PASSWORD, Person, Running, answered, refused

SEND = "/_synapse/admin/v1/send_server_notice"


@pytest.fixture
def boss(server: Running) -> Person:
    who = server.register("boss")
    server.run(server.server.services.accounts.set_admin(who.user_id, True))
    return who


def text(body: str) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body}


def tell(boss: Person, who: Person, body: str) -> str:
    event_id: str = boss.post(SEND, {"user_id": who.user_id, "content": text(body)})["event_id"]
    return event_id


def invitation(who: Person) -> str:
    (room_id,) = who.sync()["rooms"]["invite"]
    return str(room_id)


def test_a_user_is_invited_to_a_room_with_the_notice(server: Running, boss: Person) -> None:
    alice = server.register("alice")
    event_id = tell(boss, alice, "The server moves tonight.")
    room_id = invitation(alice)
    alice.join(room_id)
    event = alice.get(room_path(room_id, "event", event_id))
    assert event["content"] == text("The server moves tonight.")
    assert event["sender"] == f"@server-notices:{server.name}"
    tags = alice.get(f"/user/{alice.user_id}/rooms/{room_id}/tags")["tags"]
    assert "m.server_notice" in tags
    assert alice.get(room_path(room_id, "state", "m.room.name")) == {"name": server.name}
    refused(
        alice.request("PUT", room_path(room_id, "send", "m.room.message", "t"), text("?")), 403, "M_FORBIDDEN"
    )


def test_all_notices_come_in_one_room(server: Running, boss: Person) -> None:
    alice = server.register("alice")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: tell(boss, alice, str(number)), range(6)))
    room_id = invitation(alice)
    alice.join(room_id)
    assert sorted(bodies(walk(alice, room_id))) == [str(number) for number in range(6)]


def test_the_invitation_cannot_be_turned_down(server: Running, boss: Person) -> None:
    alice = server.register("alice")
    tell(boss, alice, "important")
    room_id = invitation(alice)
    code = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"
    refused(alice.request("POST", room_path(room_id, "leave"), {}), 403, code)
    member = room_path(room_id, "state", "m.room.member", alice.user_id)
    refused(alice.request("PUT", member, {"membership": "leave"}), 403, code)
    assert invitation(alice) == room_id


def test_who_has_left_is_invited_again(server: Running, boss: Person) -> None:
    alice = server.register("alice")
    tell(boss, alice, "one")
    room_id = invitation(alice)
    alice.join(room_id)
    leave(alice, room_id)
    tell(boss, alice, "two")
    assert invitation(alice) == room_id
    alice.join(room_id)
    assert bodies(walk(alice, room_id)) == ["two", "one"]


def test_a_repeated_transaction_tells_once(server: Running, boss: Person) -> None:
    alice = server.register("alice")
    body = {"user_id": alice.user_id, "content": text("once")}
    first = boss.put(f"{SEND}/t1", body)
    assert boss.put(f"{SEND}/t1", body) == first
    room_id = invitation(alice)
    alice.join(room_id)
    assert bodies(walk(alice, room_id)) == ["once"]


def test_who_may_send_and_who_can_be_told(server: Running, boss: Person) -> None:
    alice = server.register("alice")
    body = {"user_id": boss.user_id, "content": text("x")}
    refused(alice.request("POST", SEND, body), 403, "M_FORBIDDEN")
    for user_id in (f"@nobody:{server.name}", "@alice:elsewhere.test", f"@server-notices:{server.name}"):
        refused(boss.request("POST", SEND, {**body, "user_id": user_id}), 404, "M_NOT_FOUND")
    refused(boss.request("POST", SEND, {"content": text("x")}), 400, "M_MISSING_PARAM")
    refused(boss.request("POST", SEND, {"user_id": alice.user_id}), 400, "M_MISSING_PARAM")
    refused(boss.request("POST", SEND, {**body, "user_id": "alice"}), 400, "M_INVALID_PARAM")
    assert "rooms" not in boss.sync()


def test_nobody_can_be_called_like_the_server(server: Running) -> None:
    with server.anonymous() as http:
        body = {"username": "server-notices", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        refused(http.post("/_matrix/client/v3/register", json=body), 400, "M_USER_IN_USE")


def test_an_account_that_ends_leaves_the_room_too(server: Running, boss: Person) -> None:
    alice = server.register("alice")
    tell(boss, alice, "bye")
    identifier = {"type": "m.id.user", "user": alice.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    answered(alice.request("POST", "/account/deactivate", {"auth": auth}))
    refused(boss.request("POST", SEND, {"user_id": alice.user_id, "content": text("x")}), 404, "M_NOT_FOUND")
