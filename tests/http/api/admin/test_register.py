"""`/_synapse/admin/v1/register` over HTTP."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

from tests.running import SHARED_SECRET, Running, answered, refused, running

REGISTER = "/_synapse/admin/v1/register"


def signed(body: dict[str, Any]) -> dict[str, Any]:
    """Sign a request as Synapse's `register_new_matrix_user` does."""
    parts = [body["nonce"], body["username"], body["password"], "admin" if body["admin"] else "notadmin"]
    mac = hmac.new(SHARED_SECRET.encode(), "\0".join(parts).encode(), "sha1").hexdigest()
    return {**body, "mac": mac}


def test_a_program_with_the_secret_makes_an_administrator(server: Running) -> None:
    with server.anonymous() as http:
        nonce = answered(http.get(REGISTER))["nonce"]
        wanted = {"nonce": nonce, "username": "by-secret", "password": "pw", "admin": True}
        made = answered(http.post(REGISTER, json={**signed(wanted), "displayname": "مدیر"}))
        assert made.keys() == {"user_id", "device_id", "access_token", "home_server"}
        headers = {"Authorization": f"Bearer {made['access_token']}"}
        capabilities = answered(http.get("/_matrix/client/v3/capabilities", headers=headers))["capabilities"]
        assert "m.account_moderation" in capabilities
        profile = answered(http.get(f"/_matrix/client/v3/profile/{made['user_id']}", headers=headers))
        assert profile["displayname"] == "مدیر"
        refused(http.post(REGISTER, json=signed(wanted)), 400, "M_UNKNOWN")


def test_a_wrong_signature_makes_nothing(server: Running) -> None:
    with server.anonymous() as http:
        nonce = answered(http.get(REGISTER))["nonce"]
        wanted = signed({"nonce": nonce, "username": "unsigned", "password": "pw", "admin": False})
        refused(http.post(REGISTER, json={**wanted, "admin": True}), 403, "M_FORBIDDEN")
        refused(http.post(REGISTER, json={"nonce": nonce}), 400, "M_MISSING_PARAM")
        available = http.get("/_matrix/client/v3/register/available", params={"username": "unsigned"})
        assert answered(available) == {"available": True}


def test_a_name_that_nobody_can_be_called_makes_nothing(server: Running) -> None:
    with server.anonymous() as http:
        nonce = answered(http.get(REGISTER))["nonce"]
        wanted = signed({"nonce": nonce, "username": "long-named", "password": "pw", "admin": False})
        refused(http.post(REGISTER, json={**wanted, "displayname": "x" * 300}), 400, "M_BAD_JSON")
        available = http.get("/_matrix/client/v3/register/available", params={"username": "long-named"})
        assert answered(available) == {"available": True}


def test_without_a_secret_it_is_off(tmp_path: Path) -> None:
    with running(tmp_path, registration_shared_secret=None) as server, server.anonymous() as http:
        refused(http.get(REGISTER), 400, "M_UNKNOWN")
