"""`/register` over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.running import PASSWORD, Running, refused, running

REGISTER = "/_matrix/client/v3/register"
DUMMY = {"type": "m.login.dummy"}


def test_registering_in_two_steps(server: Running) -> None:
    wanted: dict[str, Any] = {
        "username": "Two-Steps",
        "password": PASSWORD,
        "device_id": "PHONE",
        "initial_device_display_name": "گوشی",
        "refresh_token": True,
    }
    with server.anonymous() as http:
        asked = http.post(REGISTER, json=wanted)
        assert asked.status_code == 401
        assert asked.json().keys() == {"flows", "params", "session"}
        auth = {**DUMMY, "session": asked.json()["session"]}
        made = http.post(REGISTER, json={**wanted, "auth": auth})
    assert made.status_code == 200
    body = made.json()
    assert body["user_id"] == f"@two-steps:{server.name}"
    assert (body["device_id"], body["home_server"]) == ("PHONE", server.name)
    assert body["expires_in_ms"] > 0
    assert body["access_token"] != body["refresh_token"]


def test_a_client_that_probes_for_flows_gets_them(server: Running) -> None:
    with server.anonymous() as http:
        assert http.post(REGISTER, json={}).status_code == 401


def test_inhibited_login(server: Running) -> None:
    wanted = {"username": "inhibited", "password": PASSWORD, "inhibit_login": True, "auth": DUMMY}
    with server.anonymous() as http:
        body = http.post(REGISTER, json=wanted).json()
    assert body == {"user_id": f"@inhibited:{server.name}", "home_server": server.name}


def test_guests_are_refused(server: Running) -> None:
    with server.anonymous() as http:
        refused(http.post(REGISTER, params={"kind": "guest"}, json={}), 403, "M_GUEST_ACCESS_FORBIDDEN")
        refused(http.post(REGISTER, params={"kind": "bot"}, json={}), 400, "M_INVALID_PARAM")
        assert http.post(REGISTER, params={"kind": "user"}, json={}).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        ({"username": "عل"}, 400, "M_INVALID_USERNAME"),
        ({"username": 7}, 400, "M_BAD_JSON"),
        ({"username": "bad", "auth": "dummy"}, 400, "M_BAD_JSON"),
        ({"username": "bad", "auth": DUMMY}, 400, "M_MISSING_PARAM"),
        ({"username": "bad", "password": "short", "auth": DUMMY}, 400, "M_WEAK_PASSWORD"),
        ({"username": "bad", "password": PASSWORD, "device_id": "", "auth": DUMMY}, 400, "M_INVALID_PARAM"),
        ({"username": "bad", "type": "m.login.application_service"}, 401, "M_MISSING_TOKEN"),
    ],
)
def test_bad_requests(server: Running, body: dict[str, Any], status: int, errcode: str) -> None:
    with server.anonymous() as http:
        refused(http.post(REGISTER, json=body), status, errcode)
        assert http.get(REGISTER + "/available", params={"username": "bad"}).json() == {"available": True}


def test_availability(server: Running) -> None:
    who = server.register("taken")
    available = REGISTER + "/available"
    with server.anonymous() as http:
        assert http.get(available, params={"username": "nobody-yet"}).json() == {"available": True}
        refused(http.get(available, params={"username": who.localpart}), 400, "M_USER_IN_USE")
        refused(http.get(available, params={"username": "a b"}), 400, "M_INVALID_USERNAME")
        refused(http.get(available), 400, "M_MISSING_PARAM")
        wanted = {"username": who.localpart, "password": PASSWORD}
        refused(http.post(REGISTER, json=wanted), 400, "M_USER_IN_USE")


def test_validation_by_mail_or_phone_is_refused(server: Running) -> None:
    common = {"client_secret": "s", "send_attempt": 1}
    mail = {**common, "email": "a@example.org"}
    phone = {**common, "country": "IR", "phone_number": "09120000000"}
    with server.anonymous() as http:
        refused(http.post(REGISTER + "/email/requestToken", json=mail), 403, "M_THREEPID_DENIED")
        refused(http.post(REGISTER + "/msisdn/requestToken", json=phone), 403, "M_THREEPID_DENIED")
        refused(http.post(REGISTER + "/email/requestToken", json=common), 400, "M_MISSING_PARAM")


def test_where_registration_is_closed(tmp_path: Path) -> None:
    validity = "/_matrix/client/v1/register/m.login.registration_token/validity"
    with running(tmp_path, registration="closed") as closed, closed.anonymous() as http:
        wanted = {"username": "alice", "password": PASSWORD, "auth": DUMMY}
        refused(http.post(REGISTER, json=wanted), 403, "M_FORBIDDEN")
        refused(http.get(REGISTER + "/available", params={"username": "alice"}), 403, "M_FORBIDDEN")
        refused(http.get(validity, params={"token": "any"}), 403, "M_FORBIDDEN")


def test_where_a_token_is_asked_for(tmp_path: Path) -> None:
    validity = "/_matrix/client/v1/register/m.login.registration_token/validity"
    with running(tmp_path, registration="token") as inviting, inviting.anonymous() as http:
        inviting.run(inviting.server.services.registration_tokens.create("invitation", 1, None))
        assert http.get(validity, params={"token": "invitation"}).json() == {"valid": True}
        assert http.get(validity, params={"token": "nothing"}).json() == {"valid": False}
        refused(http.get(validity), 400, "M_MISSING_PARAM")
        wanted = {"username": "alice", "password": PASSWORD}
        asked = http.post(REGISTER, json=wanted)
        assert asked.json()["flows"] == [{"stages": ["m.login.registration_token"]}]
        session = asked.json()["session"]
        auth = {"type": "m.login.registration_token", "session": session, "token": "wrong"}
        refused(http.post(REGISTER, json={**wanted, "auth": auth}), 401, "M_UNAUTHORIZED")
        made = http.post(REGISTER, json={**wanted, "auth": {**auth, "token": "invitation"}})
        assert made.json()["user_id"] == f"@alice:{inviting.name}"
        assert http.get(validity, params={"token": "invitation"}).json() == {"valid": False}
