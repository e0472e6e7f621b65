"""Logging in with the authorization code grant, as clients do it and as thieves would."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.running import Running, answered, refused
from tests.signing_in import (
    REDIRECT,
    VERIFIER,
    Client,
    Tab,
    challenge_of,
    refused_by_oauth,
    scope_of,
    whoami,
)


def test_the_metadata_say_where_everything_is(server: Running) -> None:
    with server.anonymous() as http:
        metadata = answered(http.get("/_matrix/client/v1/auth_metadata"))
        before = http.get("/_matrix/client/unstable/org.matrix.msc2965/auth_metadata")
        assert answered(before) == metadata
        behind_a_proxy = http.get("/_matrix/client/v1/auth_metadata", headers={"X-Forwarded-For": "10.1.2.3"})
        refused(behind_a_proxy, 404, "M_UNRECOGNIZED")
    assert metadata["issuer"] == f"{server.url}/"
    assert {urlsplit(metadata[name]).netloc for name in metadata if name.endswith("_endpoint")} == {
        urlsplit(server.url).netloc
    }
    assert set(metadata["grant_types_supported"]) >= {"authorization_code", "refresh_token"}
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert set(metadata["response_modes_supported"]) == {"query", "fragment"}


@pytest.mark.parametrize("mode", ["fragment", "query", None])
def test_somebody_lets_a_client_in(server: Running, mode: str | None) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        page = tab.open(client.way_in("PHONE", response_mode=mode))
        assert "Test client" not in page.text, "first it has to be clear who sits there"
        page = tab.sign_in(page, who.localpart)
        assert "Test client" in page.text
        assert who.user_id in page.text
        assert "app.client.test" in page.text
        tab.submit(page, button="allow")
        parts = urlsplit(tab.address)
        assert tab.address.startswith(REDIRECT)
        assert bool(parts.fragment) == (mode == "fragment")
        brought = tab.brought
        assert brought.keys() == {"code", "state", "iss"}
        assert (brought["state"], brought["iss"]) == ("the-state", client.metadata["issuer"])

        answer = client.exchange(brought["code"])
        assert answer.headers["cache-control"] == "no-store"
        tokens = answered(answer)
        assert tokens.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
        assert (tokens["token_type"], tokens["scope"]) == ("Bearer", scope_of("PHONE"))
        assert 0 < tokens["expires_in"] <= 3600
        me = answered(whoami(server, tokens["access_token"]))
        assert (me["user_id"], me["device_id"]) == (who.user_id, "PHONE")
        devices = {device["device_id"]: device for device in who.get("/devices")["devices"]}
        assert devices["PHONE"]["display_name"] == "Test client"


def test_somebody_says_no(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        page = tab.sign_in(tab.open(client.way_in()), who.localpart)
        tab.submit(page, button="deny")
        assert tab.brought["error"] == "access_denied"
        assert tab.brought["state"] == "the-state"
        assert "code" not in tab.brought
    assert len(who.get("/devices")["devices"]) == 1


def test_scopes_of_older_clients_are_understood(server: Running) -> None:
    who = server.register()
    scope = (
        "openid urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:OLDER"
        " urn:synapse:admin:*"
    )
    with Client(server) as client, Tab(server.url) as tab:
        tokens = answered(client.exchange(client.code_from(tab, who, scope=scope)))
    assert tokens["scope"] == (
        "urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:OLDER"
    )
    assert answered(whoami(server, tokens["access_token"]))["device_id"] == "OLDER"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "too-short"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "urn:matrix:client:api:*"}, "invalid_scope"),
        ({"scope": "urn:matrix:client:device:ABC"}, "invalid_scope"),
        ({"scope": scope_of("A") + " urn:matrix:client:device:B"}, "invalid_scope"),
        ({"scope": scope_of("with/slash")}, "invalid_scope"),
        ({"scope": scope_of("x" * 256)}, "invalid_scope"),
        ({"scope": scope_of("")}, "invalid_scope"),
        ({"scope": "urn:synapse:admin:* " + scope_of("A").replace(":api:*", ":admin:*")}, "invalid_scope"),
    ],
)
def test_what_a_client_cannot_ask_for_it_is_told(
    server: Running, changed: dict[str, str | None], error: str
) -> None:
    with Client(server) as client, Tab(server.url) as tab:
        tab.open(client.way_in(**changed))
        assert tab.address.startswith(REDIRECT), "the client is told, before anybody has to sign in"
        assert tab.brought["error"] == error
        assert tab.brought["state"] == "the-state"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": "x" * 1000},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.test/callback"},
        {"redirect_uri": REDIRECT + "/"},
        {"redirect_uri": REDIRECT + "?more=1"},
        {"redirect_uri": REDIRECT + "#fragment"},
        {"redirect_uri": REDIRECT.replace("https", "http")},
        {"redirect_uri": "https://app.client.test:444/callback"},
        {"redirect_uri": "https://app.client.test@evil.test/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"state": "x" * 5000},
    ],
)
def test_nobody_is_sent_where_the_client_has_not_registered(
    server: Running, changed: dict[str, str | None]
) -> None:
    with Client(server) as client, Tab(server.url) as tab:
        page = tab.open(client.way_in(**changed))
        assert page.response.status_code == 400
        assert tab.address.startswith(server.url)
        assert page.forms == []


@pytest.mark.parametrize(
    ("changed", "error", "status"),
    [
        ({"code_verifier": "another-verifier-that-is-just-as-long-0123456789"}, "invalid_grant", 400),
        ({"code_verifier": "short"}, "invalid_grant", 400),
        ({"code_verifier": None}, "invalid_request", 400),
        ({"code_verifier": challenge_of(VERIFIER)}, "invalid_grant", 400),
        ({"redirect_uri": "https://app.client.test/other"}, "invalid_grant", 400),
        ({"redirect_uri": None}, "invalid_request", 400),
        ({"client_id": "nobody"}, "invalid_client", 401),
        ({"client_id": None}, "invalid_request", 400),
        ({"code": "hmc_made-up"}, "invalid_grant", 400),
        ({"code": "x" * 5000}, "invalid_grant", 400),
        ({"code": ""}, "invalid_request", 400),
        ({"grant_type": "password"}, "unsupported_grant_type", 400),
        ({"grant_type": None}, "invalid_request", 400),
    ],
)
def test_a_stolen_code_is_worth_nothing(
    server: Running, changed: dict[str, str | None], error: str, status: int
) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        code = client.code_from(tab, who)
        refused_by_oauth(client.exchange(code, **changed), error, status)
        assert len(who.get("/devices")["devices"]) == 1, "nobody is logged in"
        answered(client.exchange(code))


def test_a_code_of_one_client_is_worth_nothing_to_another(server: Running) -> None:
    who = server.register()
    mixed_up = {"client_name": "Mixed up", "client_uri": "https://client.test/mixed-up"}
    with Client(server) as client, Client(server, **mixed_up) as other, Tab(server.url) as tab:
        assert client.client_id != other.client_id
        code = client.code_from(tab, who)
        refused_by_oauth(other.exchange(code), "invalid_grant")
        tokens = answered(client.exchange(code))
        refused_by_oauth(other.refresh(tokens["refresh_token"]), "invalid_grant")
        answered(client.refresh(tokens["refresh_token"]))


def test_whoever_brings_a_code_again_ends_what_it_opened(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        code = client.code_from(tab, who)
        tokens = answered(client.exchange(code))
        refused_by_oauth(client.exchange(code, code_verifier="stolen-" + VERIFIER), "invalid_grant")
        refused(whoami(server, tokens["access_token"]), 401, "M_UNKNOWN_TOKEN")
        refused_by_oauth(client.refresh(tokens["refresh_token"]), "invalid_grant")
        assert [device["device_id"] for device in who.get("/devices")["devices"]] == [who.device_id]

        again = answered(client.exchange(client.code_from(tab, who)))
        refused_by_oauth(client.exchange(code), "invalid_grant")
        answered(whoami(server, again["access_token"]))


def test_of_many_who_bring_a_code_at_the_same_moment_one_wins(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        for round_number in range(5):
            code = client.code_from(tab, who, f"ROUND{round_number}")
            with ThreadPoolExecutor(12) as threads:
                answers = list(threads.map(lambda _number, code=code: client.exchange(code), range(12)))
            assert sorted(answer.status_code for answer in answers) == [200, *[400] * 11]
            for answer in answers:
                if answer.status_code == 400:
                    refused_by_oauth(answer, "invalid_grant")


def test_a_code_ends_after_a_minute(fresh_server: Running) -> None:
    who = fresh_server.register()
    with Client(fresh_server) as client, Tab(fresh_server.url) as tab:
        code = client.code_from(tab, who)
        clock: Any = fresh_server.server.services.oauth_codes._clock
        now = clock.now_ms()
        fresh_server.server.services.oauth_codes._clock = At(now + 60_001)
        refused_by_oauth(client.exchange(code), "invalid_grant")
        fresh_server.server.services.oauth_codes._clock = At(now + 59_000)
        answered(client.exchange(code))


class At:
    """A clock that stands."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000


def test_a_device_that_is_there_changes_hands(server: Running) -> None:
    who = server.register()
    with Client(server) as client:
        first = client.log_in(server, who, "SAME")
        second = client.log_in(server, who, "SAME")
        refused(whoami(server, first["access_token"]), 401, "M_UNKNOWN_TOKEN")
        answered(whoami(server, second["access_token"]))
        refused_by_oauth(client.refresh(first["refresh_token"]), "invalid_grant")
        answered(whoami(server, second["access_token"]))
        server.log_in(who, device_id="SAME")
        refused(whoami(server, second["access_token"]), 401, "M_UNKNOWN_TOKEN")


def test_a_locked_account_lets_nobody_in(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        code = client.code_from(tab, who)
        tokens = answered(client.exchange(client.code_from(tab, who, "OTHER")))
        accounts = server.server.services.accounts
        server.run(accounts.set_locked(who.user_id, True))
        refused(client.exchange(code), 401, "M_USER_LOCKED")
        refused(client.refresh(tokens["refresh_token"]), 401, "M_USER_LOCKED")
        page = tab.open(client.way_in())
        assert "password" in page.forms[0].fields, "the browser is no longer signed in"
        page = tab.sign_in(page, who.localpart)
        assert "locked" in page.text
        server.run(accounts.set_locked(who.user_id, False))
        answered(client.refresh(tokens["refresh_token"]))
