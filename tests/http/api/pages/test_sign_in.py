"""Signing in, up and out on the server's own pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from hamrasan.http.browser import continue_to
from hamrasan.http.pages.language import LANGUAGES, MESSAGES
from tests.running import PASSWORD, Running, running
from tests.signing_in import Client, Page, Tab


def test_signing_in_and_out(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab:
        page = tab.open("/account")
        assert "password" in page.forms[0].fields
        page = tab.sign_in(page, who.user_id)
        assert tab.address == f"{server.url}/account"
        assert who.user_id in page.text
        before = dict(tab.http.cookies)
        signing_out = next(number for number, form in enumerate(page.forms) if form.action == "/signout")
        page = tab.submit(page, signing_out)
        assert "/signin" in tab.address
        tab.http.cookies.update(before)
        assert "password" in tab.open("/account").forms[0].fields, "the cookie is worth nothing any more"


@pytest.mark.parametrize(
    ("user", "password"), [("", "not-this"), ("nobody", PASSWORD), (None, "not-this"), (None, "")]
)
def test_wrong_names_and_passwords_are_refused_alike(
    server: Running, user: str | None, password: str
) -> None:
    who = server.register()
    with Tab(server.url) as tab:
        page = tab.submit(
            tab.open("/signin"), user=who.localpart if user is None else user, password=password
        )
        assert page.response.status_code == 403
        assert "The user name or the password is wrong." in page.text
        assert not password or password not in page.response.text
        assert "password" in tab.open("/account").forms[0].fields


def test_tries_are_limited_as_with_password_login(tmp_path: Path) -> None:
    with running(tmp_path, rate_limits=True) as server, Tab(server.url) as tab:
        who = server.register()
        page = tab.open("/signin")
        statuses = []
        for _ in range(8):
            page = tab.sign_in(page, who.localpart, "wrong-password")
            statuses.append(page.response.status_code)
        assert statuses == [403] * 6 + [429] * 2
        assert "too many" in page.text
        assert tab.sign_in(page, who.localpart).response.status_code == 429, (
            "the right one has to wait as well"
        )


def test_a_form_of_another_site_is_refused(server: Running) -> None:
    who = server.register()
    filled = {"user": who.localpart, "password": PASSWORD}
    with Tab(server.url) as tab, Tab(server.url) as other:
        page = tab.open("/signin")
        for fields in (
            filled,
            {**filled, "form": "x"},
            {**filled, "form": other.open("/signin").forms[0].fields["form"]},
        ):
            assert tab.http.post("/signin", data=fields).status_code == 403
        cross_site = {"Sec-Fetch-Site": "cross-site"}
        whole = {**filled, "form": page.forms[0].fields["form"]}
        assert tab.http.post("/signin", data=whole, headers=cross_site).status_code == 403
        assert tab.http.post("/signin", json=whole).status_code == 400
        assert "password" in tab.open("/account").forms[0].fields
        assert tab.http.post("/signin", data=whole).status_code == 303


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/account/profile", {"name": "Stolen"}),
        ("/account/password", {"password": PASSWORD, "new": "another password", "again": "another password"}),
        ("/account/browsers", {"x": "y"}),
        ("/account/cross-signing", {"password": PASSWORD}),
        ("/account/deactivate", {"password": PASSWORD}),
        ("/account/devices", {"name": "Stolen"}),
        ("/account/devices/end", {"x": "y"}),
        ("/signout", {"x": "y"}),
    ],
)
def test_nothing_is_done_for_a_form_of_another_site(
    server: Running, path: str, fields: dict[str, str]
) -> None:
    who = server.register()
    with Tab(server.url) as tab, Tab(server.url) as evil:
        tab.sign_in(tab.open("/signin"), who.localpart)
        token = evil.open("/signin").forms[0].fields["form"]
        address = f"{path}?device_id={who.device_id}"
        for sent in (fields, {**fields, "form": token}):
            answer = tab.http.post(address, data=sent)
            assert answer.status_code == 403
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert who.user_id in tab.open("/account").text, "still signed in"
        assert len(who.get("/devices")["devices"]) == 1
        assert not server.server.services.approvals.is_given(who.user_id)


def test_a_secret_that_somebody_planted_is_replaced_when_signing_in(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as thief, Tab(server.url) as victim:
        page = thief.open("/signin")
        planted = dict(thief.http.cookies)
        victim.http.cookies.set("hamrasan", planted["hamrasan"], domain="127.0.0.1", path="/")
        victim.sign_in(Page(page.response), who.localpart)
        assert dict(victim.http.cookies)["hamrasan"] != planted["hamrasan"]
        assert "password" in thief.open("/account").forms[0].fields, "what the thief knows is worth nothing"


def test_cookies_are_kept_from_scripts_and_other_sites(server: Running, tmp_path: Path) -> None:
    with Tab(server.url) as tab:
        for cookie in tab.open("/signin?lang=fa").response.headers.get_list("set-cookie"):
            assert "; HttpOnly" in cookie
            assert "; SameSite=Lax" in cookie
            assert "Secure" not in cookie
    with running(tmp_path, public_url="https://chat.example.test") as public, Tab(public.url) as tab:
        who = public.register()
        cookies = tab.open("/signin").response.headers.get_list("set-cookie")
        assert [cookie.partition("=")[0] for cookie in cookies] == ["__Host-hamrasan"]
        assert all("; Secure" in cookie and "; Path=/;" in cookie for cookie in cookies)
        assert who.user_id


def test_pages_allow_no_scripts_and_no_frames(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        addresses = ["/signin", "/signup", "/oauth/authorize?client_id=x", client.way_in(), "/account"]
        for page in [tab.sign_in(tab.open("/signin"), who.localpart), *map(tab.open, addresses)]:
            policy = page.response.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "script-src" not in policy
            assert "script" not in page.tags
            assert page.response.headers["x-frame-options"] == "DENY"
            assert page.response.headers["cache-control"] == "no-store"
            assert page.response.headers["referrer-policy"] == "no-referrer"
        consent = tab.open(client.way_in())
        assert (
            "form-action 'self' https://app.client.test;"
            in consent.response.headers["content-security-policy"]
        )


def test_what_an_app_says_of_itself_is_shown_as_text(server: Running) -> None:
    who = server.register()
    name = '<script>alert("x")</script><b>&amp;'
    with Client(server, client_name=name) as client, Tab(server.url) as tab:
        page = tab.sign_in(tab.open(client.way_in()), who.localpart)
        assert name in page.text
        assert "script" not in page.tags
        page = tab.open("/signin?user=%22%3E%3Cscript%3E&continue=%22%3E%3Cscript%3E&lang=%3Cscript%3E")
        assert "script" not in page.tags


@pytest.mark.parametrize(
    ("accepted", "asked", "language"),
    [
        ("", None, "fa"),
        ("de-DE,de;q=0.9", None, "fa"),
        ("en-GB,en;q=0.9,fa;q=0.8", None, "en"),
        ("fa-IR,fa;q=0.9,en;q=0.8", None, "fa"),
        ("en", "fa", "fa"),
        ("fa", "en", "en"),
        ("en", "de", "en"),
    ],
)
def test_pages_speak_the_language_of_who_reads_them(
    server: Running, accepted: str, asked: str | None, language: str
) -> None:
    with Tab(server.url, accepted) as tab:
        page = tab.open("/signin" + (f"?lang={asked}" if asked else ""))
        assert (page.language, page.direction) == (language, "rtl" if language == "fa" else "ltr")
        assert tab.open("/signin").language == language, "it stays so"


def test_every_text_is_there_in_every_language() -> None:
    keys = {language: MESSAGES[language].keys() for language in LANGUAGES}
    assert keys["fa"] == keys["en"]
    fields = {
        language: {
            key: {part.split("}")[0] for part in text.split("{")[1:]}
            for key, text in MESSAGES[language].items()
        }
        for language in LANGUAGES
    }
    assert fields["fa"] == fields["en"]


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "https://evil.test/",
        "//evil.test/",
        "/\\evil.test",
        "/account\\..\\x",
        "/account//evil.test",
        "/accounts",
        "/signout",
        "/_matrix/client/v3/logout",
        "account",
        "/account\r\nLocation: https://evil.test/",
        "/account x",
        "/account#x",
        "/account?" + "x" * 9000,
        "/accountِ",
        "javascript:alert(1)",
    ],
)
def test_signing_in_leads_nowhere_else(wanted: str) -> None:
    assert continue_to({"continue": wanted}) == "/account"


def test_signing_in_leads_on_to_where_somebody_wanted(server: Running) -> None:
    assert continue_to({"continue": "/oauth/authorize?a=b%20c&d=e"}) == "/oauth/authorize?a=b%20c&d=e"
    who = server.register()
    with Tab(server.url) as tab:
        page = tab.open(f"/account/devices?device_id={who.device_id}")
        page = tab.sign_in(page, who.localpart)
        assert tab.address == f"{server.url}/account/devices?device_id={who.device_id}"
        assert tab.open("/signin").response.url.path == "/account", "nobody signs in twice"


def sign_up(tab: Tab, page: Page, user: str, **more: str) -> Page:
    return tab.submit(page, **{"user": user, "password": PASSWORD, "again": PASSWORD, **more})


def test_signing_up_and_letting_the_app_in(server: Running) -> None:
    with Client(server) as client, Tab(server.url) as tab:
        page = tab.open(client.way_in(prompt="create"))
        assert "/signup" in tab.address
        page = sign_up(tab, page, "Newcomer-From-App")
        assert "@newcomer-from-app:hamrasan.test" in page.text
        assert page.forms[0].buttons == [("decision", "allow"), ("decision", "deny")]
        tab.submit(page, button="allow")
        assert client.exchange(tab.brought["code"]).status_code == 200


@pytest.mark.parametrize(
    ("user", "more", "said"),
    [
        ("ok-name", {"again": "something else"}, "not the same"),
        ("ok-name", {"password": "short", "again": "short"}, "at least 8"),
        ("ok-name", {"password": "x" * 600, "again": "x" * 600}, "too long"),
        ("", {}, "small letters"),
        ("نام", {}, "small letters"),
        ("with blank", {}, "small letters"),
        ("x" * 300, {}, "small letters"),
    ],
)
def test_what_cannot_be_signed_up(server: Running, user: str, more: dict[str, str], said: str) -> None:
    with Tab(server.url) as tab:
        page = sign_up(tab, tab.open("/signup"), user, **more)
        assert page.response.status_code == 400
        assert said in page.text
        assert PASSWORD not in page.response.text
        assert "password" in tab.open("/account").forms[0].fields


def test_a_name_that_is_taken(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab:
        assert "Somebody else has this" in sign_up(tab, tab.open("/signup"), who.localpart).text


def test_signing_up_with_a_token_or_not_at_all(tmp_path: Path) -> None:
    with running(tmp_path / "token", registration="token") as server, Tab(server.url) as tab:
        row: Any = server.run(server.server.services.registration_tokens.create("invitation", 1, None))
        assert row.token == "invitation"
        page = tab.open("/signup")
        for token in ("", "wrong"):
            page = sign_up(tab, page, "invited", token=token)
            assert "registration token is unknown" in page.text
        page = sign_up(tab, page, "invited", token="invitation")
        assert "@invited:hamrasan.test" in page.text
        with Tab(server.url) as other:
            page = sign_up(other, other.open("/signup"), "second", token="invitation")
            assert "was used" in page.text
    with running(tmp_path / "closed", registration="closed") as server, Tab(server.url) as tab:
        assert "Create" not in tab.open("/signin").text
        page = tab.open("/signup")
        assert (page.response.status_code, page.forms) == (403, [])
        signing_in = tab.open("/signin")
        answer: httpx.Response = tab.http.post(
            "/signup",
            data={**signing_in.forms[0].fields, "user": "x", "password": PASSWORD, "again": PASSWORD},
        )
        assert answer.status_code == 403
        with Client(server) as client:
            tab.open(client.way_in(prompt="create"))
            assert "/signin" in tab.address
