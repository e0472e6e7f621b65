"""The account's page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.running import PASSWORD, Person, Running, answered, refused
from tests.signing_in import Client, Page, Tab, whoami

CROSS_SIGNING = "/_matrix/client/v3/keys/device_signing/upload"


def signed_in(tab: Tab, who: Person, address: str = "/account") -> Page:
    return tab.sign_in(tab.open(address), who.localpart)


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("", "/account"),
        ("org.matrix.profile", "/account"),
        ("org.matrix.devices_list", "/account/devices"),
        ("org.matrix.sessions_list", "/account/devices"),
        ("org.matrix.device_view&device_id=ABC", "/account/devices?device_id=ABC"),
        ("org.matrix.session_end&device_id=ABC", "/account/devices?device_id=ABC"),
        ("org.matrix.device_delete&device_id=ABC", "/account/devices?device_id=ABC"),
        ("org.matrix.account_deactivate", "/account/deactivate"),
        ("org.matrix.cross_signing_reset", "/account/cross-signing"),
        ("org.matrix.something_new", "/account"),
    ],
)
def test_apps_open_the_page_for_what_they_want(server: Running, action: str, path: str) -> None:
    who = server.register(device_id="ABC")
    with Client(server) as client, Tab(server.url) as tab:
        page = signed_in(tab, who, f"{client.metadata['account_management_uri']}?action={action}")
        assert page.response.status_code == 200
        assert (
            tab.address.removeprefix(server.url).removesuffix(f"?action={action}").removesuffix("?action=")
            == path
        )


def test_changing_the_name(server: Running) -> None:
    who = server.register()
    profile = f"/profile/{who.user_id}/displayname"
    with Tab(server.url) as tab:
        page = tab.submit(signed_in(tab, who), name=" پریسا ")
        assert "Saved." in page.text
        assert who.get(profile) == {"displayname": "پریسا"}
        page = tab.submit(page, name="x" * 300)
        assert page.response.status_code == 400
        assert who.get(profile) == {"displayname": "پریسا"}
        tab.submit(page, name="")
        assert who.request("GET", profile).status_code == 404


def test_a_suspended_user_keeps_the_name(server: Running) -> None:
    who = server.register()
    server.run(server.server.services.accounts.set_suspended(who.user_id, True))
    with Tab(server.url) as tab:
        page = tab.submit(signed_in(tab, who), name="somebody else")
        assert page.response.status_code == 403
        assert "suspended" in page.text
    assert who.request("GET", f"/profile/{who.user_id}/displayname").status_code == 404


def test_who_was_signed_in_before_the_account_was_locked_is_not_any_more(server: Running) -> None:
    who = server.register()
    accounts = server.server.services.accounts
    with Client(server) as client, Tab(server.url) as tab:
        shown = signed_in(tab, who)
        server.run(accounts.set_locked(who.user_id, True))
        for address in ("/account", "/account/password", "/account/deactivate", "/link", client.way_in()):
            tab.open(address)
            assert tab.address.startswith(f"{server.url}/signin?")
        tab.submit(shown, name="x")
        assert tab.address.startswith(f"{server.url}/signin?")
        server.run(accounts.set_locked(who.user_id, False))
        assert "Sign out of this browser" in tab.open("/account").text
    assert who.request("GET", f"/profile/{who.user_id}/displayname").status_code == 404


def test_changing_the_password_signs_other_browsers_out_and_no_app(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab, Tab(server.url) as other:
        signed_in(other, who)
        page = signed_in(tab, who, "/account/password")
        new = "a new password of mine"
        page = tab.submit(page, password="wrong", new=new, again=new)
        assert "The password is wrong." in page.text
        page = tab.submit(page, password=PASSWORD, new=new, again="another")
        assert "not the same" in page.text
        page = tab.submit(page, password=PASSWORD, new="short", again="short")
        assert "at least 8" in page.text
        page = tab.submit(page, password=PASSWORD, new=new, again=new)
        assert "The password was changed." in page.text
        assert "password" in other.open("/account").forms[0].fields
        answered(whoami(server, who.token))
        assert other.sign_in(other.open("/signin"), who.localpart).response.status_code == 403
        assert who.user_id in other.sign_in(other.open("/signin"), who.localpart, new).text


def test_devices_are_shown_renamed_and_signed_out(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        tokens = client.log_in(server, who, "PHONE")
        page = signed_in(tab, who, "/account/devices")
        assert "Test client" in page.text
        assert who.device_id in page.text
        page = tab.open("/account/devices?device_id=PHONE")
        assert "client.test" in page.text
        page = tab.submit(page, name="My <phone>")
        assert "My <phone>" in page.text
        assert who.get("/devices/PHONE")["display_name"] == "My <phone>"
        assert tab.submit(page, name="x" * 300).response.status_code == 400
        page = tab.submit(page, 1)
        assert "The device was signed out." in page.text
        refused(whoami(server, tokens["access_token"]), 401, "M_UNKNOWN_TOKEN")
        assert tab.open("/account/devices?device_id=PHONE").response.status_code == 404


def test_devices_of_others_are_out_of_reach(server: Running) -> None:
    who, other = server.register(), server.register()
    with Tab(server.url) as tab:
        page = signed_in(tab, who, "/account/devices?device_id=" + who.device_id)
        address = f"/account/devices/end?device_id={other.device_id}"
        answer = tab.http.post(address, data={"form": page.forms[0].fields["form"]})
        assert answer.status_code == 404
        answered(whoami(server, other.token))


def test_signing_all_browsers_out(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab, Tab(server.url) as other:
        signed_in(other, who)
        page = signed_in(tab, who)
        number = next(n for n, form in enumerate(page.forms) if form.action == "/account/browsers")
        tab.submit(page, number)
        for browser in (tab, other):
            assert "password" in browser.open("/account").forms[0].fields


def test_closing_the_account(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab, Tab(server.url) as other:
        signed_in(other, who)
        page = signed_in(tab, who, "/account/deactivate")
        page = tab.submit(page, password="wrong")
        assert "The password is wrong." in page.text
        answered(whoami(server, who.token))
        page = tab.submit(page, password=PASSWORD)
        assert "Your account was closed." in page.text
        refused(whoami(server, who.token), 401, "M_UNKNOWN_TOKEN")
        assert "password" in other.open("/account").forms[0].fields
        assert other.sign_in(other.open("/signin"), who.localpart).response.status_code == 403


def keys_of(user_id: str, seed: str) -> dict[str, Any]:
    """Return a master key of a user; it signs nothing, so it needs no signatures."""
    public = (seed * 43)[:42] + "A"
    return {
        "master_key": {"user_id": user_id, "usage": ["master"], "keys": {f"ed25519:{public}": public}},
    }


def test_an_app_replaces_cross_signing_keys_once_it_is_approved_in_a_browser(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab, server.anonymous() as http:
        tokens = client.log_in(server, who, "PHONE")
        http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        answered(http.post(CROSS_SIGNING, json=keys_of(who.user_id, "a")))
        wanted = keys_of(who.user_id, "b")
        asked = http.post(CROSS_SIGNING, json=wanted)
        assert asked.status_code == 401
        body = asked.json()
        assert body["flows"] == [{"stages": ["m.oauth"]}]
        page = body["params"]["m.oauth"]["url"]
        assert page.startswith(server.url)
        auth = {"session": body["session"]}
        for early in (auth, {**auth, "type": "m.oauth"}, {**auth, "type": "m.login.password"}):
            assert http.post(CROSS_SIGNING, json={**wanted, "auth": early}).status_code == 401
        form = signed_in(tab, who, page)
        assert tab.submit(form, password="wrong").response.status_code == 403
        assert http.post(CROSS_SIGNING, json={**wanted, "auth": auth}).status_code == 401
        assert "Go back to the app" in tab.submit(form, password=PASSWORD).text
        answered(http.post(CROSS_SIGNING, json={**wanted, "auth": auth}))
        again = http.post(CROSS_SIGNING, json=keys_of(who.user_id, "c"))
        assert again.status_code == 401, "an approval is good for once"
