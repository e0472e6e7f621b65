"""Logging in to apps that know nothing of OAuth 2.0, through the server's own page."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.running import Person, Running, answered, refused
from tests.signing_in import Page, Tab

REDIRECT = "/_matrix/client/v3/login/sso/redirect"
APP = "https://app.test/login?hs=1#/home"


def opened(tab: Tab, target: str, who: Person, **query: str) -> Page:
    page = tab.open(f"{REDIRECT}?{urlencode({'redirectUrl': target, **query})}")
    return tab.sign_in(page, who.localpart)


def test_the_flow_is_announced(server: Running) -> None:
    with server.anonymous() as http:
        flows = {flow["type"]: flow for flow in answered(http.get("/_matrix/client/v3/login"))["flows"]}
        assert flows["m.login.sso"]["oauth_aware_preferred"] is True
        assert "m.login.password" in flows
        proxied = http.get("/_matrix/client/v3/login", headers={"X-Forwarded-For": "10.1.2.3"})
        assert "m.login.sso" not in {flow["type"] for flow in answered(proxied)["flows"]}


@pytest.mark.parametrize(
    "target", [APP, "http://localhost:1234/", "im.fluffychat://login", "org.app:/x?loginToken=old&a=b"]
)
def test_somebody_lets_an_app_in(server: Running, target: str) -> None:
    who = server.register()
    with Tab(server.url) as tab, server.anonymous() as http:
        page = opened(tab, target, who)
        assert (urlsplit(target).netloc or urlsplit(target).scheme) in page.text
        assert tab.address.startswith(server.url), "nobody is sent there without having been asked"
        tab.submit(page)
        parts, wanted = urlsplit(tab.address), urlsplit(target)
        assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == (
            wanted.scheme,
            wanted.netloc,
            wanted.path,
            wanted.fragment,
        )
        query = parse_qsl(parts.query)
        tokens = [value for name, value in query if name == "loginToken"]
        assert len(tokens) == 1
        kept = [pair for pair in query if pair[0] != "loginToken"]
        assert kept == [pair for pair in parse_qsl(wanted.query) if pair[0] != "loginToken"]
        body = {"type": "m.login.token", "token": tokens[0]}
        assert answered(http.post("/_matrix/client/v3/login", json=body))["user_id"] == who.user_id
        refused(http.post("/_matrix/client/v3/login", json=body), 403, "M_FORBIDDEN")


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/account",
        "//evil.test/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "https://",
        "https://bank.test@evil.test/",
        "https:\\\\evil.test",
        "https://app.test/a b",
        "https://app.test:port/",
        "https://app.test;frame-ancestors",
        "https://app.test,x",
        "https://*/",
        "https://äpp.test/",
        "https://app.test/\r\nSet-Cookie: x=y",
        "https://app.test/" + "x" * 3000,
    ],
)
def test_addresses_that_no_app_has(server: Running, target: str) -> None:
    who = server.register()
    with Tab(server.url) as tab:
        tab.sign_in(tab.open("/signin"), who.localpart)
        page = tab.open(f"/sso?{urlencode({'redirectUrl': target})}")
        assert (page.response.status_code, page.forms) == (400, [])
        assert tab.address.startswith(server.url)


def test_without_an_address(server: Running) -> None:
    with server.anonymous() as http:
        refused(http.get(REDIRECT), 400, "M_MISSING_PARAM")
        refused(http.get(f"{REDIRECT}?redirectUrl=x&action=steal"), 400, "M_INVALID_PARAM")


def test_no_token_is_given_for_a_form_of_another_site(server: Running) -> None:
    who = server.register()
    with Tab(server.url) as tab, Tab(server.url) as evil:
        tab.sign_in(tab.open("/signin"), who.localpart)
        token = evil.open("/signin").forms[0].fields["form"]
        for fields in ({"x": "y"}, {"form": token}):
            answer = tab.http.post(f"/sso?{urlencode({'redirectUrl': 'https://evil.test/'})}", data=fields)
            assert answer.status_code == 403
            assert "location" not in answer.headers


def test_an_app_that_wants_somebody_to_register(server: Running) -> None:
    with Tab(server.url) as tab:
        page = tab.open(f"{REDIRECT}?{urlencode({'redirectUrl': APP, 'action': 'register'})}")
        assert "Create an account" in page.text


def test_the_address_that_apps_know_leads_to_our_page(server: Running) -> None:
    with server.anonymous() as http:
        answer = http.get(f"{REDIRECT}?{urlencode({'redirectUrl': APP})}")
        assert answer.status_code == 302
        assert answer.headers["location"] == f"/sso?{urlencode({'redirectUrl': APP})}"
