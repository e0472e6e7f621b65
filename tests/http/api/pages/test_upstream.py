"""Signing in with another provider."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from joserfc.jwk import RSAKey

from hamrasan.accounts.upstream.providers import FOLDER, ProvidersUnusable, load_providers
from tests.openid_provider import OpenIdProvider, openid_provider, state_of
from tests.running import PASSWORD, Running, answered, refused, running
from tests.signing_in import Client, Page, Tab

REDIRECT = "/_matrix/client/v3/login/sso/redirect"


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as running_provider:
        yield running_provider


@pytest.fixture
def joined(provider: OpenIdProvider, tmp_path: Path) -> Iterator[Running]:
    """A server whose people may sign in with the provider."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "university.toml").write_text(provider.file(), "utf-8")
    with running(tmp_path, registration="closed") as server:
        yield server


def to_provider(tab: Tab, address: str = "/upstream/university") -> str:
    """Return the address at the provider to which a page leads."""
    tab.open(address)
    return tab.address


def from_provider(provider: OpenIdProvider, address: str) -> str:
    """Sign in at the provider and return where it sends the browser."""
    assert address.startswith(f"{provider.url}/authorize?"), address
    with httpx.Client(trust_env=False) as http:
        location: str = http.get(address).headers["location"]
    return location


def signed_in(tab: Tab, provider: OpenIdProvider, address: str = "/upstream/university") -> Page:
    return tab.open(from_provider(provider, to_provider(tab, address)))


def test_somebody_new_gets_an_account_and_the_same_one_again(
    joined: Running, provider: OpenIdProvider
) -> None:
    provider.person = {"sub": "77", "preferred_username": "Parisa@uni.test", "name": "پریسا"}
    with Tab(joined.url) as tab, Client(joined) as client:
        page = tab.open(client.way_in())
        (link,) = [link for link in page.links if "/upstream/" in link]
        page = signed_in(tab, provider, link)
        assert "@parisa:hamrasan.test" in page.text
        tab.submit(page, button="allow")
        tokens = answered(client.exchange(tab.brought["code"]))
        with joined.anonymous() as http:
            headers = {"Authorization": f"Bearer {tokens['access_token']}"}
            profile = http.get("/_matrix/client/v3/profile/@parisa:hamrasan.test", headers=headers)
            assert answered(profile)["displayname"] == "پریسا"
    provider.person["preferred_username"] = "other"
    with Tab(joined.url) as tab:
        assert "@parisa:hamrasan.test" in signed_in(tab, provider).text, "the subject counts, not the name"
    with Tab(joined.url) as tab:
        page = tab.sign_in(tab.open("/signin"), "parisa", "")
        assert page.response.status_code == 403, "there is no password"


def test_older_apps_see_the_provider_and_lead_there(joined: Running, provider: OpenIdProvider) -> None:
    with joined.anonymous() as http, Tab(joined.url) as tab:
        flows = {flow["type"]: flow for flow in answered(http.get("/_matrix/client/v3/login"))["flows"]}
        assert flows["m.login.sso"]["identity_providers"] == [{"id": "university", "name": "دانشگاه"}]
        target = urlencode({"redirectUrl": "https://app.test/"})
        first = http.get(f"{REDIRECT}/university?{target}")
        assert first.status_code == 302
        refused(http.get(f"{REDIRECT}/nobody?{target}"), 404, "M_NOT_FOUND")
        page = signed_in(tab, provider, f"{REDIRECT}/university?{target}")
        assert "app.test" in page.text
        tab.submit(page)
        assert tab.address.startswith("https://app.test/?loginToken=")
        body = {"type": "m.login.token", "token": tab.brought["loginToken"]}
        who = answered(http.post("/_matrix/client/v3/login", json=body))
        assert who["user_id"] == "@someone:hamrasan.test"


@pytest.mark.parametrize("name", ["taken", "نام", "", 7, "x" * 300])
def test_a_name_that_cannot_be_is_asked_for(
    joined: Running, provider: OpenIdProvider, name: str | int
) -> None:
    joined.run(joined.server.services.accounts.create("@taken:hamrasan.test", PASSWORD))
    provider.person = {"sub": "5", "preferred_username": name}
    with Tab(joined.url) as tab, Tab(joined.url) as other:
        page = signed_in(tab, provider)
        assert "Your user name" in page.text
        assert "@" not in tab.address
        page = tab.submit(page, user="taken")
        assert "Somebody else has this user name" in page.text
        stolen = page.forms[0].fields["stranger"]
        fields = {**other.open("/signin").forms[0].fields, "stranger": stolen, "user": "thief"}
        assert other.http.post("/upstream/university/name", data=fields).status_code == 400
        page = tab.submit(page, user=" Chosen ")
        assert "@chosen:hamrasan.test" in page.text
    with Tab(joined.url) as tab:
        assert "@chosen:hamrasan.test" in signed_in(tab, provider).text


def test_an_account_of_a_password_is_not_taken_over(joined: Running, provider: OpenIdProvider) -> None:
    joined.run(joined.server.services.accounts.create("@someone:hamrasan.test", PASSWORD))
    with Tab(joined.url) as tab:
        page = signed_in(tab, provider)
        assert "Somebody else has this user name" in page.text
        assert "password" in tab.open("/account").forms[0].fields


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.test"},
        {"aud": "another"},
        {"aud": ["hamrasan", "another"]},
        {"aud": ["hamrasan", "another"], "azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": int(time.time()) + 10_000},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
    ],
)
def test_id_tokens_that_are_not_for_this_login(
    joined: Running, provider: OpenIdProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    with Tab(joined.url) as tab:
        page = signed_in(tab, provider)
        assert page.response.status_code == 502
        assert "password" in tab.open("/account").forms[0].fields


def test_id_tokens_that_nobody_has_signed(joined: Running, provider: OpenIdProvider) -> None:
    with Tab(joined.url) as tab:
        provider.algorithm = "none"
        assert signed_in(tab, provider).response.status_code == 502
        provider.algorithm = "RS256"
        provider.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        assert signed_in(tab, provider).response.status_code == 502
        provider.key = provider.published[0]
        assert "@someone:" in signed_in(tab, provider).text


def test_a_new_key_of_the_provider_is_looked_for(joined: Running, provider: OpenIdProvider) -> None:
    with Tab(joined.url) as tab:
        to_provider(tab)
        known = joined.server.services.sign_in_upstream.openid_connect._known["university"]
        provider.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
        provider.published = [provider.key]
        assert signed_in(tab, provider).response.status_code == 502, "it was asked a moment ago"
        known.keys_read -= 61
        assert "@someone:" in signed_in(tab, provider).text


def test_an_answer_is_taken_from_the_browser_that_asked(joined: Running, provider: OpenIdProvider) -> None:
    with Tab(joined.url) as tab, Tab(joined.url) as victim:
        back = from_provider(provider, to_provider(tab))
        victim.open("/signin")
        assert victim.open(back).response.status_code == 400, "nobody is signed in to a stranger's account"
        assert "password" in victim.open("/account").forms[0].fields
        state = state_of(back)
        for wrong in (state[:-8] + "AAAAAAA=", "", "x"):
            assert tab.open(back.replace(f"state={state}", f"state={wrong}")).response.status_code == 400
        bad_issuer = tab.open(back + "&iss=https%3A%2F%2Fevil.test")
        assert bad_issuer.response.status_code == 400
        assert "@someone:" in tab.open(back).text
        assert tab.open(back).response.status_code == 400, (
            "the secret is another one since, so it is good for once"
        )
        address = f"/upstream/university/callback?error=access_denied&state={state_of(to_provider(tab))}"
        assert tab.open(address).response.status_code == 403


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.test"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://evil.test/token"},
        {"jwks_uri": None},
    ],
)
def test_a_provider_that_is_not_what_it_should_be(
    joined: Running, provider: OpenIdProvider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata
    with Tab(joined.url) as tab:
        page = tab.open("/upstream/university")
        assert page.response.status_code == 502
        assert tab.address.startswith(joined.url)
        assert tab.open("/upstream/nobody").response.status_code == 404


def test_the_secret_goes_into_the_form_where_the_provider_wants_it(
    joined: Running, provider: OpenIdProvider
) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    with Tab(joined.url) as tab:
        assert "@someone:" in signed_in(tab, provider).text


def test_people_without_an_account_where_none_are_made(provider: OpenIdProvider, tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "university.toml").write_text(provider.file(sign_up=False), "utf-8")
    with running(tmp_path) as server, Tab(server.url) as tab:
        page = signed_in(tab, provider)
        assert page.response.status_code == 403
        assert "has no account" in page.text


def test_a_closed_or_locked_account_stays_so(joined: Running, provider: OpenIdProvider) -> None:
    accounts = joined.server.services.accounts
    with Tab(joined.url) as tab:
        signed_in(tab, provider)
        joined.run(accounts.set_locked("@someone:hamrasan.test", True))
        assert signed_in(tab, provider).response.status_code == 403
        joined.run(accounts.set_locked("@someone:hamrasan.test", False))
        page = signed_in(tab, provider, "/upstream/university?continue=/account/deactivate")
        assert "password" not in page.forms[0].fields, "having signed in a moment ago is the proof"
        assert "was closed" in tab.submit(page).text
        assert signed_in(tab, provider).response.status_code == 403


def test_what_needs_confirmation_is_confirmed_in_the_browser(
    joined: Running, provider: OpenIdProvider
) -> None:
    with (
        Tab(joined.url) as tab,
        Client(joined) as client,
        Tab(joined.url) as other,
        joined.anonymous() as http,
    ):
        signed_in(tab, provider)
        tab.submit(tab.open(client.way_in("PHONE")), button="allow")
        tokens = answered(client.exchange(tab.brought["code"]))
        http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        wanted = {"devices": ["PHONE"]}
        address = "/_matrix/client/v3/delete_devices"
        asked = http.post(address, json=wanted)
        assert (asked.status_code, asked.json()["flows"]) == (401, [{"stages": ["m.login.sso"]}])
        auth = {"session": asked.json()["session"]}
        for early in (auth, {**auth, "type": "m.login.sso"}):
            assert http.post(address, json={**wanted, "auth": early}).status_code == 401
        fallback = f"/_matrix/client/v3/auth/m.login.sso/fallback/web?session={auth['session']}"
        provider.person = {"sub": "2", "preferred_username": "stranger"}
        signed_in(other, provider)
        assert other.open(fallback).response.status_code == 404, "it is not for others to confirm"
        page = tab.open(fallback)
        assert "sign devices out" in page.text
        answer = tab.http.post(tab.address, data={"form": other.open("/account").forms[0].fields["form"]})
        assert answer.status_code == 403
        assert http.post(address, json={**wanted, "auth": auth}).status_code == 401
        done = tab.submit(page)
        assert "onAuthDone" in done.response.text
        answered(http.post(address, json={**wanted, "auth": auth}))
        refused(http.get("/_matrix/client/v3/account/whoami"), 401, "M_UNKNOWN_TOKEN")


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        'name = "X"\n',
        'name = "X"\nissuer = "http://id.test"\nclient_id = "x"\n',
        'name = "X"\nissuer = "https://id.test/?x"\nclient_id = "x"\n',
        'name = "X"\nissuer = "https://id.test"\nclient_id = "x"\nunknown = 1\n',
        'name = "X"\nissuer = "https://id.test"\nclient_id = "x"\nscopes = ["profile"]\n',
    ],
)
def test_files_that_describe_no_provider(tmp_path: Path, text: str) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "x.toml").write_text(text, "utf-8")
    with pytest.raises(ProvidersUnusable):
        load_providers(tmp_path)
