"""Passwords, deactivation, capabilities, contact data and OpenID over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.room_versions import ROOM_VERSIONS
from tests.running import PASSWORD, Person, Running, answered, refused, running


def auth_of(who: Person, password: str = PASSWORD) -> dict[str, Any]:
    identifier = {"type": "m.id.user", "user": who.user_id}
    return {"type": "m.login.password", "identifier": identifier, "password": password}


def test_changing_the_password(server: Running) -> None:
    phone = server.register()
    desk = server.log_in(phone)
    wanted = {"new_password": "a new password", "auth": auth_of(phone)}
    refused(phone.request("POST", "/account/password", {"new_password": "short"}), 400, "M_WEAK_PASSWORD")
    refused(phone.request("POST", "/account/password", {}), 400, "M_MISSING_PARAM")
    wrong = {**wanted, "auth": auth_of(phone, "wrong")}
    refused(phone.request("POST", "/account/password", wrong), 401, "M_FORBIDDEN")
    assert phone.post("/account/password", wanted) == {}
    assert phone.get("/account/whoami")["user_id"] == phone.user_id
    refused(desk.request("GET", "/account/whoami"), 401, "M_UNKNOWN_TOKEN")
    with server.anonymous() as http:
        login = "/_matrix/client/v3/login"
        refused(http.post(login, json=auth_of(phone)), 403, "M_FORBIDDEN")
        answered(http.post(login, json=auth_of(phone, "a new password")))
        refused(http.post("/_matrix/client/v3/account/password", json=wanted), 401, "M_MISSING_TOKEN")


def test_deactivating(server: Running) -> None:
    who = server.register()
    asked = who.request("POST", "/account/deactivate", {"erase": True})
    assert (asked.status_code, asked.json()["flows"]) == (401, [{"stages": ["m.login.password"]}])
    auth = {**auth_of(who), "session": asked.json()["session"]}
    done = who.post("/account/deactivate", {"erase": True, "auth": auth})
    assert done == {"id_server_unbind_result": "success"}
    refused(who.request("GET", "/account/whoami"), 401, "M_UNKNOWN_TOKEN")
    with server.anonymous() as http:
        refused(http.post("/_matrix/client/v3/login", json=auth_of(who)), 403, "M_FORBIDDEN")
        wanted = {"username": who.localpart, "password": PASSWORD}
        refused(http.post("/_matrix/client/v3/register", json=wanted), 400, "M_USER_IN_USE")


def test_a_deactivated_user_leaves_every_room(server: Running) -> None:
    host, guest = server.register(), server.register()
    room_id, other_room = (host.create_room(preset="public_chat") for _ in range(2))
    guest.join(room_id)
    host.invite(other_room, guest)
    guest.post("/account/deactivate", {"auth": auth_of(guest)})
    for room in (room_id, other_room):
        path = f"/rooms/{quote(room)}/state/m.room.member/{quote(guest.user_id)}"
        while (membership := host.get(path)["membership"]) != "leave":
            assert membership in ("join", "invite")


def test_capabilities(server: Running) -> None:
    found = server.register().get("/capabilities")["capabilities"]
    assert found["m.room_versions"]["default"] == "12"
    assert found["m.room_versions"]["available"].keys() == ROOM_VERSIONS.keys() - {"1", "2"}
    assert set(found["m.room_versions"]["available"].values()) == {"stable"}
    enabled = {name for name, value in found.items() if value.get("enabled")}
    assert enabled == {
        "m.change_password",
        "m.get_login_token",
        "m.profile_fields",
        "m.set_displayname",
        "m.set_avatar_url",
        "m.webpush",
    }
    assert found["m.3pid_changes"] == {"enabled": False}
    assert "m.account_moderation" not in found


def test_capabilities_of_a_suspended_user(server: Running) -> None:
    who = server.register()
    server.run(server.server.services.accounts.set_suspended(who.user_id, True))
    found = who.get("/capabilities")["capabilities"]
    profile = {"m.profile_fields", "m.set_displayname", "m.set_avatar_url"}
    assert {name for name, value in found.items() if value.get("enabled") is False} >= profile
    assert found["m.change_password"] == {"enabled": True}


def test_capabilities_of_an_administrator(server: Running) -> None:
    who = server.register()
    server.run(server.server.services.accounts.set_admin(who.user_id, True))
    found = who.get("/capabilities")["capabilities"]
    assert found["m.account_moderation"] == {"suspend": True, "lock": True}


def test_versions(server: Running) -> None:
    with server.anonymous() as http:
        body = answered(http.get("/_matrix/client/versions"))
        stale = {"Authorization": "Bearer hma_long_gone"}
        assert answered(http.get("/_matrix/client/versions", headers=stale)) == body
    assert {"v1.1", "v1.11", "v1.19"} <= set(body["versions"])
    assert all(isinstance(value, bool) for value in body["unstable_features"].values())


def test_discovery_without_a_public_address(server: Running) -> None:
    with server.anonymous() as http:
        refused(http.get("/.well-known/matrix/client"), 404, "M_NOT_FOUND")
        refused(http.get("/.well-known/matrix/support"), 404, "M_NOT_FOUND")


def test_how_the_operators_are_reached(tmp_path: Path) -> None:
    contacts = ("@help:elsewhere.org", "help@example.org")
    with running(tmp_path, support_contacts=contacts) as server, server.anonymous() as http:
        answer = http.get("/.well-known/matrix/support")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answered(answer) == {
            "contacts": [
                {"matrix_id": "@help:elsewhere.org", "role": "m.role.admin"},
                {"email_address": "help@example.org", "role": "m.role.admin"},
            ]
        }


def test_there_is_no_contact_data(server: Running) -> None:
    assert server.register().get("/account/3pid") == {"threepids": []}


CREDENTIALS = {"client_secret": "s", "id_server": "id.example.org", "id_access_token": "t", "sid": "1"}
MAIL = {"client_secret": "s", "send_attempt": 1, "email": "a@example.org"}
PHONE = {"client_secret": "s", "send_attempt": 1, "country": "IR", "phone_number": "09120000000"}


@pytest.mark.parametrize(
    ("path", "body", "status", "errcode"),
    [
        ("/account/3pid", {"three_pid_creds": CREDENTIALS}, 403, "M_THREEPID_AUTH_FAILED"),
        ("/account/3pid", {}, 400, "M_MISSING_PARAM"),
        ("/account/3pid/add", {"client_secret": "s", "sid": "1"}, 403, "M_THREEPID_AUTH_FAILED"),
        ("/account/3pid/add", {"sid": "1"}, 400, "M_MISSING_PARAM"),
        ("/account/3pid/bind", CREDENTIALS, 403, "M_SERVER_NOT_TRUSTED"),
        ("/account/3pid/delete", {"medium": "email"}, 400, "M_MISSING_PARAM"),
        ("/account/3pid/delete", {"medium": "pigeon", "address": "a"}, 400, "M_INVALID_PARAM"),
        ("/account/3pid/email/requestToken", MAIL, 400, "M_THREEPID_MEDIUM_NOT_SUPPORTED"),
        ("/account/3pid/msisdn/requestToken", PHONE, 400, "M_THREEPID_MEDIUM_NOT_SUPPORTED"),
        ("/account/3pid/msisdn/requestToken", MAIL, 400, "M_MISSING_PARAM"),
        ("/account/password/email/requestToken", MAIL, 400, "M_THREEPID_NOT_FOUND"),
        ("/account/password/msisdn/requestToken", PHONE, 400, "M_THREEPID_NOT_FOUND"),
    ],
)
def test_contact_data_is_refused(
    server: Running, path: str, body: dict[str, Any], status: int, errcode: str
) -> None:
    refused(server.register().request("POST", path, body), status, errcode)


@pytest.mark.parametrize("action", ["delete", "unbind"])
def test_contact_data_that_is_not_there_is_removed_at_once(server: Running, action: str) -> None:
    body = {"medium": "email", "address": "a@example.org"}
    answer = server.register().post(f"/account/3pid/{action}", body)
    assert answer == {"id_server_unbind_result": "no-support"}


@pytest.mark.parametrize("locked", [True, False])
def test_openid_tokens_of_accounts_that_are_locked_or_ended_prove_nothing(
    server: Running, locked: bool
) -> None:
    services, who = server.server.services, server.register()
    token = who.post(f"/user/{who.user_id}/openid/request_token")["access_token"]
    if locked:
        server.run(services.accounts.set_locked(who.user_id, True))
    else:
        server.run(services.deactivate_account.by_administrator(who.user_id, erase=False))
    with pytest.raises(MatrixError) as caught:
        server.run(services.openid_tokens.user_of(token))
    assert (caught.value.status, caught.value.errcode) == (401, "M_UNKNOWN_TOKEN")


def test_an_openid_token(server: Running) -> None:
    who, other = server.register(), server.register()
    path = "/user/{}/openid/request_token"
    given = who.post(path.format(who.user_id))
    token = given.pop("access_token")
    assert given == {"token_type": "Bearer", "matrix_server_name": server.name, "expires_in": 3600}
    assert server.run(server.server.services.openid_tokens.user_of(token)) == who.user_id
    refused(who.request("POST", path.format(other.user_id), {}), 403, "M_FORBIDDEN")
    with server.anonymous() as http:
        headers = {"Authorization": f"Bearer {token}"}
        answer = http.get("/_matrix/client/v3/account/whoami", headers=headers)
        refused(answer, 401, "M_UNKNOWN_TOKEN")
