"""`/logout`, `/account/whoami` and `/devices` over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.running import PASSWORD, Person, Running, refused


def confirmed(who: Person, method: str, path: str, body: dict[str, Any]) -> None:
    """Do what needs the password: ask, be asked, confirm."""
    asked = who.request(method, path, body)
    assert asked.status_code == 401
    identifier = {"type": "m.id.user", "user": who.localpart}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    done = who.request(method, path, {**body, "auth": {**auth, "session": asked.json()["session"]}})
    assert (done.status_code, done.json()) == (200, {})


def devices(who: Person) -> set[str]:
    return {device["device_id"] for device in who.get("/devices")["devices"]}


def test_who_am_i(server: Running) -> None:
    who = server.register()
    expected = {"user_id": who.user_id, "device_id": who.device_id, "is_guest": False}
    assert who.get("/account/whoami") == expected
    with server.anonymous() as http:
        refused(http.get("/_matrix/client/v3/account/whoami"), 401, "M_MISSING_TOKEN")
        headers = {"Authorization": "Bearer hma_made_up"}
        answer = http.get("/_matrix/client/v3/account/whoami", headers=headers)
        assert refused(answer, 401, "M_UNKNOWN_TOKEN")["soft_logout"] is False


def test_logging_out(server: Running) -> None:
    phone = server.register()
    desk = server.log_in(phone)
    assert phone.post("/logout") == {}
    refused(phone.request("GET", "/account/whoami"), 401, "M_UNKNOWN_TOKEN")
    refused(phone.request("POST", "/logout"), 401, "M_UNKNOWN_TOKEN")
    assert devices(desk) == {desk.device_id}
    with server.anonymous() as http:
        refused(http.post("/_matrix/client/v3/logout"), 401, "M_MISSING_TOKEN")


def test_logging_out_everywhere(server: Running) -> None:
    phone, other = server.register(), server.register()
    desk = server.log_in(phone)
    assert desk.post("/logout/all") == {}
    for who in (phone, desk):
        refused(who.request("GET", "/account/whoami"), 401, "M_UNKNOWN_TOKEN")
    assert devices(other) == {other.device_id}


def test_a_locked_user_can_log_out_and_nothing_else(server: Running) -> None:
    who = server.register()
    server.run(server.server.services.accounts.set_locked(who.user_id, True))
    assert refused(who.request("GET", "/account/whoami"), 401, "M_USER_LOCKED")["soft_logout"] is True
    assert who.post("/logout") == {}
    refused(who.request("GET", "/account/whoami"), 401, "M_UNKNOWN_TOKEN")


def test_a_device_as_its_user_sees_it(server: Running) -> None:
    who = server.register()
    path = f"/devices/{who.device_id}"
    device = who.get(path)
    assert device.keys() == {"device_id", "last_seen_ip", "last_seen_ts"}
    assert (device["device_id"], device["last_seen_ip"]) == (who.device_id, "127.0.0.1")
    assert who.put(path, {"display_name": "لپ‌تاپ"}) == {}
    assert who.get(path)["display_name"] == "لپ‌تاپ"
    assert who.put(path, {}) == {}
    assert who.get(path)["display_name"] == "لپ‌تاپ"
    assert who.get("/devices")["devices"] == [who.get(path)]


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_devices_of_others_are_not_there(server: Running, method: str) -> None:
    who, other = server.register(), server.register()
    body = {"display_name": "Mine"} if method == "PUT" else None
    refused(who.request(method, f"/devices/{other.device_id}", body), 404, "M_NOT_FOUND")
    refused(who.request("PUT", f"/devices/{other.device_id}", {}), 404, "M_NOT_FOUND")
    assert "display_name" not in other.get(f"/devices/{other.device_id}")


def test_deleting_a_device(server: Running) -> None:
    phone = server.register()
    desk = server.log_in(phone)
    confirmed(phone, "DELETE", f"/devices/{desk.device_id}", {})
    assert devices(phone) == {phone.device_id}
    refused(desk.request("GET", "/account/whoami"), 401, "M_UNKNOWN_TOKEN")


def test_deleting_devices(server: Running) -> None:
    phone = server.register()
    ids = [server.log_in(phone).device_id for _ in range(3)]
    confirmed(phone, "POST", "/delete_devices", {"devices": ids[:2]})
    assert devices(phone) == {phone.device_id, ids[2]}
    refused(phone.request("POST", "/delete_devices", {}), 400, "M_MISSING_PARAM")
    refused(phone.request("POST", "/delete_devices", {"devices": [7]}), 400, "M_BAD_JSON")


def test_a_confirmation_does_not_serve_for_another_device(server: Running) -> None:
    phone = server.register()
    desk, tablet = server.log_in(phone), server.log_in(phone)
    session = phone.request("DELETE", f"/devices/{desk.device_id}", {}).json()["session"]
    identifier = {"type": "m.id.user", "user": phone.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD, "session": session}
    refused(phone.request("DELETE", f"/devices/{tablet.device_id}", {"auth": auth}), 403, "M_FORBIDDEN")
    other = server.register()
    stolen = {**auth, "identifier": {"type": "m.id.user", "user": other.user_id}}
    refused(phone.request("DELETE", f"/devices/{desk.device_id}", {"auth": stolen}), 403, "M_FORBIDDEN")
    assert devices(phone) == {phone.device_id, desk.device_id, tablet.device_id}
