"""Logging in through OAuth 2.0 with the JavaScript library, and a person at a browser."""

from __future__ import annotations

from typing import Any

from tests.clients.node import run_scenario
from tests.processes import ServerProcess
from tests.signing_in import REDIRECT, WEB_CLIENT, Tab


def test_logging_in_with_a_browser_and_without(client_server: ServerProcess) -> None:
    who = client_server.register("js-oauth")

    def open_in_browser(question: dict[str, Any]) -> dict[str, str]:
        page = tab.sign_in(tab.open(question["address"]), who.localpart)
        tab.submit(page, button="allow")
        assert tab.address.startswith(f"{REDIRECT}#")
        return tab.brought

    def link(question: dict[str, Any]) -> None:
        page = tab.submit(tab.open(question["address"]))
        tab.submit(page, button="allow")

    with Tab(client_server.url) as tab:
        metadata = {name: WEB_CLIENT[name] for name in ("client_name", "client_uri", "redirect_uris")}
        report = run_scenario(
            "oauth",
            {"open": open_in_browser, "link": link},
            url=client_server.url,
            metadata=metadata,
            complaint="Unable to refresh token",
            redirectUri=REDIRECT,
        )
    assert report["state"] == "the-state"
    assert report["me"] == {
        "user_id": who.user_id,
        "device_id": report["deviceId"],
        "is_guest": False,
    }
    assert report["after"] == report["me"]
    assert report["heard"] == ["sealed by the first", "sealed by the second"]
    assert report["there"]["device_id"] == report["television"]
    assert report["refusal"] == "M_UNKNOWN_TOKEN"
    devices = {device["device_id"] for device in who.get("/devices")["devices"]}
    assert devices == {who.device_id, report["television"]}
