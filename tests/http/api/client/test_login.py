"""`/login`, `/login/get_token` and `/refresh` over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.running import PASSWORD, Running, answered, refused, running

LOGIN = "/_matrix/client/v3/login"
GET_TOKEN = "/_matrix/client/v1/login/get_token"
REFRESH = "/_matrix/client/v3/refresh"


def by_password(user: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    identifier = {"type": "m.id.user", "user": user}
    return {"type": "m.login.password", "identifier": identifier, "password": password, **more}


def test_flows(server: Running) -> None:
    with server.anonymous() as http:
        flows = answered(http.get(LOGIN))["flows"]
    assert flows[:3] == [
        {"type": "m.login.password"},
        {"type": "m.login.token", "get_login_token": True},
        {"type": "m.login.application_service"},
    ]
    assert [flow["type"] for flow in flows[3:]] == ["m.login.sso"]


def test_logging_in_with_a_password(server: Running) -> None:
    who = server.register()
    with server.anonymous() as http:
        body = answered(http.post(LOGIN, json=by_password(who.localpart, device_id="DESK")))
        assert body.keys() == {"user_id", "device_id", "access_token", "home_server"}
        assert (body["user_id"], body["device_id"]) == (who.user_id, "DESK")
        legacy = {"type": "m.login.password", "user": who.user_id, "password": PASSWORD}
        assert answered(http.post(LOGIN, json=legacy))["user_id"] == who.user_id
        refused(http.post(LOGIN, json=by_password(who.localpart, "wrong")), 403, "M_FORBIDDEN")
        refused(http.post(LOGIN, json=by_password("nobody-of-this-name")), 403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        ({}, 400, "M_MISSING_PARAM"),
        ({"type": "m.login.magic"}, 400, "M_UNKNOWN"),
        ({"type": "m.login.password"}, 400, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "user": "alice"}, 400, "M_MISSING_PARAM"),
        ({"type": "m.login.password", "user": "alice", "password": 7}, 400, "M_BAD_JSON"),
        (
            {"type": "m.login.password", "medium": "email", "address": "a@b.c", "password": "x"},
            403,
            "M_FORBIDDEN",
        ),
        ({"type": "m.login.token"}, 400, "M_MISSING_PARAM"),
        ({"type": "m.login.token", "token": "hml_made_up"}, 403, "M_FORBIDDEN"),
    ],
)
def test_bad_requests(server: Running, body: dict[str, Any], status: int, errcode: str) -> None:
    with server.anonymous() as http:
        refused(http.post(LOGIN, json=body), status, errcode)


def test_a_token_for_another_device(server: Running) -> None:
    who = server.register()
    with server.anonymous() as http:
        refused(http.post(GET_TOKEN, json={}), 401, "M_MISSING_TOKEN")
        asked = who.request("POST", GET_TOKEN, {})
        assert asked.status_code == 401
        auth = {**by_password(who.user_id), "session": asked.json()["session"]}
        given = who.post(GET_TOKEN, {"auth": auth})
        assert given["expires_in_ms"] == 120_000
        wanted = {"type": "m.login.token", "token": given["login_token"]}
        assert answered(http.post(LOGIN, json=wanted))["user_id"] == who.user_id
        refused(http.post(LOGIN, json=wanted), 403, "M_FORBIDDEN")


def test_refreshing(server: Running) -> None:
    who = server.register()
    with server.anonymous() as http:
        first = answered(http.post(LOGIN, json=by_password(who.localpart, refresh_token=True)))
        second = answered(http.post(REFRESH, json={"refresh_token": first["refresh_token"]}))
        assert second.keys() == {"access_token", "refresh_token", "expires_in_ms"}
        whoami = "/_matrix/client/v3/account/whoami"
        with_token = {"Authorization": f"Bearer {second['access_token']}"}
        assert answered(http.get(whoami, headers=with_token))["device_id"] == first["device_id"]
        again = http.post(REFRESH, json={"refresh_token": first["refresh_token"]})
        assert refused(again, 401, "M_UNKNOWN_TOKEN")["soft_logout"] is False
        refused(http.post(REFRESH, json={}), 400, "M_MISSING_PARAM")


def test_clients_learn_the_public_address_at_login(tmp_path: Path) -> None:
    address = "https://chat.example.org"
    with running(tmp_path, public_url=address) as public, public.anonymous() as http:
        who = public.register()
        body = answered(http.post(LOGIN, json=by_password(who.localpart)))
        assert body["well_known"] == {"m.homeserver": {"base_url": address}}
        expected = {"m.homeserver": {"base_url": address}}
        discovered = http.get("/.well-known/matrix/client")
        assert answered(discovered) == expected
        assert discovered.headers["access-control-allow-origin"] == "*"
        assert answered(http.get("/.well-known/matrix/support")) == {"support_page": address}


def test_a_flood_of_wrong_passwords_is_stopped(tmp_path: Path) -> None:
    with running(tmp_path, rate_limits=True) as limited, limited.anonymous() as http:
        who = limited.register()
        answers = [http.post(LOGIN, json=by_password(who.localpart, "wrong")) for _ in range(20)]
        codes = [answer.json()["errcode"] for answer in answers]
        assert codes[0] == "M_FORBIDDEN"
        assert refused(answers[-1], 429, "M_LIMIT_EXCEEDED")["retry_after_ms"] > 0
        assert int(answers[-1].headers["retry-after"]) > 0
