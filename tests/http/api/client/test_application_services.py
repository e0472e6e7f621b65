"""Application services use the client-server API: as themselves, as their users, on devices of these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.registrations import registration, write_registration
from tests.running import Person, Running, answered, client, refused, running
from tests.signing_keys import Identity

BRIDGE = registration("bridge", rate_limited=False)
OTHER = registration(
    "other",
    namespaces={"users": [{"regex": r"@.*:hamrasan\.test", "exclusive": False}], "aliases": [], "rooms": []},
)
BOT, GHOST = "@_bridge_bot:hamrasan.test", "@_bridge_ghost:hamrasan.test"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with two application services: one with users of its own, one that may speak as everybody."""
    folder = tmp_path_factory.mktemp("served")
    write_registration(folder, BRIDGE)
    write_registration(folder, OTHER)
    with running(folder) as server:
        with service(server) as bridge:
            answered(make(bridge, "_bridge_ghost", inhibit_login=True))
        yield server


def service(server: Running, values: dict[str, Any] = BRIDGE) -> httpx.Client:
    """Return a client with the token of an application service."""
    return client(
        server.url + "/_matrix/client/v3", headers={"Authorization": f"Bearer {values['as_token']}"}
    )


@pytest.fixture
def bridge(served: Running) -> Iterator[httpx.Client]:
    with service(served) as http:
        yield http


@pytest.fixture
def other(served: Running) -> Iterator[httpx.Client]:
    with service(served, OTHER) as http:
        yield http


@pytest.fixture
def anna(served: Running) -> Person:
    return served.register("anna")


def make(http: httpx.Client, username: str | None, **more: Any) -> httpx.Response:
    """Register a user as application services do."""
    body = {"type": "m.login.application_service", **more}
    return http.post("/register", json=body if username is None else {**body, "username": username})


def log_in(http: httpx.Client, user: str, **more: Any) -> httpx.Response:
    """Log in as application services do."""
    identifier = {"type": "m.id.user", "user": user}
    return http.post("/login", json={"type": "m.login.application_service", "identifier": identifier, **more})


def whoami(http: httpx.Client, **query: str) -> httpx.Response:
    return http.get("/account/whoami", params=query)


# Speaking as somebody.


def test_a_service_is_its_own_user_unless_it_says_otherwise(bridge: httpx.Client) -> None:
    assert answered(whoami(bridge)) == {"user_id": BOT, "is_guest": False}
    assert answered(whoami(bridge, user_id=GHOST))["user_id"] == GHOST
    assert answered(whoami(bridge, user_id=BOT))["user_id"] == BOT


def test_the_token_may_stand_in_the_query(served: Running) -> None:
    with client(served.url) as http:
        query = {"access_token": BRIDGE["as_token"], "user_id": GHOST}
        answer = http.get("/_matrix/client/v3/account/whoami", params=query)
    assert answered(answer)["user_id"] == GHOST


def test_nobody_outside_the_namespaces_can_be_spoken_as(bridge: httpx.Client, anna: Person) -> None:
    for user_id in (
        anna.user_id,
        "@_bridge_x:elsewhere.org",
        "@x_bridge_ghost:hamrasan.test",
        "",
        "nonsense",
    ):
        refused(whoami(bridge, user_id=user_id), 403, "M_FORBIDDEN")


def test_nobody_without_an_account_can_be_spoken_as(bridge: httpx.Client) -> None:
    refused(whoami(bridge, user_id="@_bridge_nobody:hamrasan.test"), 403, "M_FORBIDDEN")


def test_people_speak_as_themselves_whatever_they_ask_for(anna: Person) -> None:
    assert anna.get("/account/whoami", user_id=GHOST)["user_id"] == anna.user_id
    assert anna.get("/account/whoami", device_id="NONE")["device_id"] == anna.device_id


def test_what_looks_like_a_token_of_a_service_is_none(served: Running) -> None:
    token = BRIDGE["as_token"]
    for wrong in (token[:-1], token + "x", token.upper(), BRIDGE["hs_token"], f" {token} x"):
        with client(served.url, headers={"Authorization": f"Bearer {wrong}"}) as http:
            answer = http.get("/_matrix/client/v3/account/whoami", params={"user_id": GHOST})
        refused(answer, 401, "M_UNKNOWN_TOKEN")


def test_a_service_is_never_an_administrator(served: Running, other: httpx.Client) -> None:
    """Otherwise whoever reads a bridge's configuration would have the whole server."""
    boss = served.register("boss")
    served.run(served.server.identity.accounts.set_admin(boss.user_id, True))
    boss.get(f"/admin/whois/{boss.user_id}")
    who = f"/admin/whois/{served.register('somebody').user_id}"
    boss.get(who)
    refused(other.get(who, params={"user_id": boss.user_id}), 403, "M_FORBIDDEN")


def test_locked_and_deactivated_users_cannot_be_spoken_as(served: Running, bridge: httpx.Client) -> None:
    for number, errcode, status in ((1, "M_USER_LOCKED", 401), (2, "M_FORBIDDEN", 403)):
        user_id = answered(make(bridge, f"_bridge_ended_{number}", inhibit_login=True))["user_id"]
        assert answered(whoami(bridge, user_id=user_id))["user_id"] == user_id
        identity = served.server.identity
        ends = (
            identity.accounts.set_locked(user_id, True)
            if number == 1
            else identity.deactivate_account.by_administrator(user_id, erase=False)
        )
        served.run(ends)
        refused(whoami(bridge, user_id=user_id), status, errcode)
        refused(log_in(bridge, user_id), status, errcode)


# Registration.


def test_a_service_registers_users_without_password(bridge: httpx.Client) -> None:
    made = answered(make(bridge, "_bridge_new", inhibit_login=True))
    assert made == {"user_id": "@_bridge_new:hamrasan.test", "home_server": "hamrasan.test"}
    assert answered(whoami(bridge, user_id=made["user_id"]))["user_id"] == made["user_id"]
    refused(make(bridge, "_bridge_new", inhibit_login=True), 400, "M_USER_IN_USE")


def test_registration_logs_in_unless_inhibited(served: Running, bridge: httpx.Client) -> None:
    made = answered(make(bridge, "_bridge_with_device", device_id="PUPPET"))
    with client(served.url, headers={"Authorization": f"Bearer {made['access_token']}"}) as http:
        assert answered(http.get("/_matrix/client/v3/account/whoami"))["device_id"] == "PUPPET"


@pytest.mark.parametrize(
    ("username", "errcode"),
    [
        (None, "M_MISSING_PARAM"),
        ("anna", "M_EXCLUSIVE"),
        ("x_bridge_y", "M_EXCLUSIVE"),
        ("_other_bot", "M_EXCLUSIVE"),
        ("_bridge_Großes", "M_INVALID_USERNAME"),
        ("_bridge_" + "x" * 250, "M_INVALID_USERNAME"),
        ("", "M_INVALID_USERNAME"),
    ],
)
def test_what_a_service_cannot_register(bridge: httpx.Client, username: str | None, errcode: str) -> None:
    refused(make(bridge, username, inhibit_login=True), 400, errcode)


def test_a_service_does_not_register_in_the_namespace_of_another(other: httpx.Client) -> None:
    refused(make(other, "_bridge_mine", inhibit_login=True), 400, "M_EXCLUSIVE")
    answered(make(other, "anybody_else", inhibit_login=True))


def test_registering_and_logging_in_so_takes_the_token_of_a_service(served: Running, anna: Person) -> None:
    with client(served.url + "/_matrix/client/v3") as http:
        refused(make(http, "_bridge_stolen"), 401, "M_MISSING_TOKEN")
        refused(log_in(http, GHOST), 401, "M_MISSING_TOKEN")
        for token in ("wrong", anna.token):
            http.headers["Authorization"] = f"Bearer {token}"
            refused(make(http, "_bridge_stolen"), 401, "M_UNKNOWN_TOKEN")
            refused(log_in(http, GHOST), 401, "M_UNKNOWN_TOKEN")


def test_a_token_is_not_looked_at_where_people_register_and_log_in(served: Running) -> None:
    person = served.register("lena")
    with client(served.url, headers={"Authorization": "Bearer of-a-session-long-ended"}) as http:
        wanted = {
            "type": "m.login.password",
            "user": person.user_id,
            "password": "correct horse battery staple",
        }
        answered(http.post("/_matrix/client/v3/login", json=wanted))


def test_people_do_not_get_the_names_of_a_service(served: Running) -> None:
    with served.anonymous() as http:
        for username in ("_bridge_human", "_bridge_bot", "_other_bot"):
            body = {
                "username": username,
                "password": "correct horse battery",
                "auth": {"type": "m.login.dummy"},
            }
            refused(http.post("/_matrix/client/v3/register", json=body), 400, "M_EXCLUSIVE")
            available = http.get("/_matrix/client/v3/register/available", params={"username": username})
            refused(available, 400, "M_EXCLUSIVE")


# Login.


def test_a_service_logs_in_as_its_users(served: Running, bridge: httpx.Client) -> None:
    flows = [flow["type"] for flow in answered(bridge.get("/login"))["flows"]]
    assert "m.login.application_service" in flows
    for user in (GHOST, "_bridge_ghost"):
        session = answered(log_in(bridge, user, device_id="BRIDGED"))
        assert (session["user_id"], session["device_id"]) == (GHOST, "BRIDGED")
        with client(served.url, headers={"Authorization": f"Bearer {session['access_token']}"}) as http:
            assert answered(http.get("/_matrix/client/v3/account/whoami"))["user_id"] == GHOST


def test_a_service_does_not_log_in_as_others(bridge: httpx.Client, anna: Person) -> None:
    refused(log_in(bridge, anna.user_id), 400, "M_EXCLUSIVE")
    refused(log_in(bridge, "_bridge_never_made"), 403, "M_FORBIDDEN")
    refused(log_in(bridge, "@_bridge_ghost:elsewhere.org"), 403, "M_FORBIDDEN")


# Devices.


def test_a_service_makes_and_deletes_devices_without_confirming(bridge: httpx.Client) -> None:
    as_ghost = {"user_id": GHOST}
    made = bridge.put("/devices/MADE", params=as_ghost, json={"display_name": "Bridge"})
    assert (made.status_code, made.json()) == (201, {})
    assert answered(bridge.get("/devices/MADE", params=as_ghost))["display_name"] == "Bridge"
    assert bridge.put("/devices/MADE", params=as_ghost, json={"display_name": "Other"}).status_code == 200
    assert answered(bridge.get("/devices/MADE", params=as_ghost))["display_name"] == "Other"
    bridge.put("/devices/MADE2", params=as_ghost, json={})
    answered(bridge.delete("/devices/MADE", params=as_ghost))
    refused(bridge.get("/devices/MADE", params=as_ghost), 404, "M_NOT_FOUND")
    answered(bridge.post("/delete_devices", params=as_ghost, json={"devices": ["MADE2"]}))
    refused(bridge.get("/devices/MADE2", params=as_ghost), 404, "M_NOT_FOUND")


@pytest.mark.parametrize("device_id", ["x" * 256, "%0a"])
def test_a_device_needs_an_id_and_a_name_that_devices_can_have(bridge: httpx.Client, device_id: str) -> None:
    refused(bridge.put(f"/devices/{device_id}", params={"user_id": GHOST}, json={}), 400, "M_INVALID_PARAM")
    long = bridge.put("/devices/LONG", params={"user_id": GHOST}, json={"display_name": "x" * 256})
    refused(long, 400, "M_INVALID_PARAM")
    refused(bridge.get("/devices/LONG", params={"user_id": GHOST}), 404, "M_NOT_FOUND")


def test_people_make_no_devices_so(anna: Person) -> None:
    refused(anna.request("PUT", "/devices/NEW", {"display_name": "x"}), 404, "M_NOT_FOUND")


@pytest.mark.parametrize("name", ["device_id", "org.matrix.msc3202.device_id"])
def test_a_service_speaks_on_a_device(bridge: httpx.Client, name: str) -> None:
    bridge.put("/devices/SPEAKS", params={"user_id": GHOST}, json={})
    told = answered(whoami(bridge, user_id=GHOST, **{name: "SPEAKS"}))
    assert (told["user_id"], told["device_id"]) == (GHOST, "SPEAKS")
    refused(whoami(bridge, user_id=GHOST, **{name: "NONE"}), 400, "M_UNKNOWN_DEVICE")
    refused(whoami(bridge, **{name: "SPEAKS"}), 400, "M_UNKNOWN_DEVICE")
    bridge.put("/devices/BOTS", json={})
    assert answered(whoami(bridge, **{name: "BOTS"}))["device_id"] == "BOTS"


def test_keys_belong_to_a_device(bridge: httpx.Client) -> None:
    bridge.put("/devices/KEYS", params={"user_id": GHOST}, json={})
    keys = {"one_time_keys": {"signed_curve25519:A": {"key": "x", "signatures": {}}}}
    without = bridge.post("/keys/upload", params={"user_id": GHOST}, json=keys)
    refused(without, 400, "M_MISSING_PARAM")
    on_device = bridge.post("/keys/upload", params={"user_id": GHOST, "device_id": "KEYS"}, json=keys)
    assert answered(on_device)["one_time_key_counts"] == {"signed_curve25519": 1}


def test_a_service_replaces_cross_signing_keys_without_confirming(
    served: Running, bridge: httpx.Client
) -> None:
    bridge.put("/devices/SIGNS", params={"user_id": GHOST}, json={})
    ghost = Person(served.url, GHOST, "SIGNS", BRIDGE["as_token"])
    query = {"user_id": GHOST, "device_id": "SIGNS"}
    for _ in range(2):
        keys = Identity(ghost).keys
        answered(bridge.post("/keys/device_signing/upload", params=query, json=keys))
        shown = answered(bridge.post("/keys/query", params=query, json={"device_keys": {GHOST: []}}))
        assert shown["master_keys"][GHOST]["keys"] == keys["master_key"]["keys"]
    ghost.http.close()


# Aliases.


def alias_path(localpart: str) -> str:
    return "/directory/room/" + quote(f"#{localpart}:hamrasan.test", safe="")


def test_aliases_in_a_namespace_are_the_services(bridge: httpx.Client, anna: Person) -> None:
    theirs = anna.create_room()
    refused(anna.request("PUT", alias_path("_bridge_x"), {"room_id": theirs}), 400, "M_EXCLUSIVE")
    refused(anna.request("POST", "/createRoom", {"room_alias_name": "_bridge_x"}), 400, "M_EXCLUSIVE")
    room_id = answered(bridge.post("/createRoom", json={"room_alias_name": "_bridge_x"}))["room_id"]
    assert anna.get(alias_path("_bridge_x"))["room_id"] == room_id
    answered(bridge.put(alias_path("_bridge_y"), json={"room_id": room_id}))
    refused(anna.request("DELETE", alias_path("_bridge_y")), 400, "M_EXCLUSIVE")
    answered(bridge.delete(alias_path("_bridge_y"), params={"user_id": GHOST}))
    refused(anna.request("GET", alias_path("_bridge_y")), 404, "M_NOT_FOUND")


def test_a_service_makes_no_aliases_elsewhere(bridge: httpx.Client) -> None:
    room_id = answered(bridge.post("/createRoom", json={}))["room_id"]
    refused(bridge.put(alias_path("plain"), json={"room_id": room_id}), 400, "M_EXCLUSIVE")
    refused(bridge.post("/createRoom", json={"room_alias_name": "plain"}), 400, "M_EXCLUSIVE")


# Times of events.


def event_ids(http: httpx.Client, room_id: str) -> list[str]:
    page = answered(http.get(f"/rooms/{room_id}/messages", params={"dir": "b"}))
    return [event["event_id"] for event in page["chunk"]]


def test_a_service_says_when_an_event_was_sent(bridge: httpx.Client, anna: Person) -> None:
    room_id = answered(bridge.post("/createRoom", json={"preset": "public_chat"}))["room_id"]
    anna.join(room_id)
    content = {"msgtype": "m.text", "body": "long ago"}
    sent = [
        bridge.put(f"/rooms/{room_id}/send/m.room.message/1", params={"ts": "1000"}, json=content),
        bridge.put(f"/rooms/{room_id}/state/m.room.topic", params={"ts": "2000"}, json={"topic": "x"}),
        bridge.put(
            f"/rooms/{room_id}/state/m.room.member/{BOT}",
            params={"ts": "3000"},
            json={"membership": "join", "displayname": "Bot"},
        ),
        bridge.put(
            f"/rooms/{room_id}/send/m.reaction/2",
            params={"ts": "4000"},
            json={"m.relates_to": {"rel_type": "m.annotation", "event_id": "$x", "key": "+"}},
        ),
    ]
    for number, answer in enumerate(sent, start=1):
        event = anna.get(f"/rooms/{room_id}/event/{answered(answer)['event_id']}")
        assert event["origin_server_ts"] == number * 1000


@pytest.mark.parametrize("timestamp", ["-1", "soon", "1.5", str(2**53), str(10**30)])
def test_a_time_that_no_event_can_have_is_refused(bridge: httpx.Client, timestamp: str) -> None:
    room_id = answered(bridge.post("/createRoom", json={}))["room_id"]
    before = event_ids(bridge, room_id)
    query = {"ts": timestamp}
    refused(bridge.put(f"/rooms/{room_id}/send/m.x/1", params=query, json={}), 400, "M_INVALID_PARAM")
    refused(bridge.put(f"/rooms/{room_id}/state/m.x", params=query, json={}), 400, "M_INVALID_PARAM")
    assert event_ids(bridge, room_id) == before


def test_people_do_not_say_when_they_sent(anna: Person) -> None:
    room_id = anna.create_room()
    event_id = anna.put(f"/rooms/{room_id}/send/m.x/1", {}, ts="1000")["event_id"]
    assert anna.get(f"/rooms/{room_id}/event/{event_id}")["origin_server_ts"] > 1000


# Rates.


@pytest.mark.parametrize("rate_limited", [False, True])
def test_rates_are_counted_if_the_registration_says_so(tmp_path: Path, rate_limited: bool) -> None:
    """A service registers and sends as fast as it can; its users only where that was asked for."""
    write_registration(tmp_path, registration("bridge", rate_limited=rate_limited))
    with running(tmp_path, rate_limits=True) as server, service(server) as bridge:
        for number in range(110):
            answered(make(bridge, f"_bridge_{number}", inhibit_login=True))
        for _ in range(210):
            answered(log_in(bridge, "_bridge_1"))
        for user_id, limited in ((BOT, False), ("@_bridge_1:hamrasan.test", rate_limited)):
            asked = [bridge.post("/createRoom", params={"user_id": user_id}, json={}) for _ in range(60)]
            assert (429 in [answer.status_code for answer in asked]) is limited


# Files.


def test_a_reload_brings_and_takes_services(tmp_path: Path) -> None:
    path = write_registration(tmp_path, BRIDGE)
    with running(tmp_path) as server, service(server) as bridge, service(server, OTHER) as other:
        assert answered(whoami(bridge))["user_id"] == BOT
        write_registration(tmp_path, OTHER)
        path.unlink()
        server.reload()
        refused(whoami(bridge), 401, "M_UNKNOWN_TOKEN")
        assert answered(whoami(other))["user_id"] == "@_other_bot:hamrasan.test"
        path.write_text("id: broken")
        server.reload()
        assert answered(whoami(other))["user_id"] == "@_other_bot:hamrasan.test", "the old ones stay"
