"""Devices without a browser, which somebody lets in with another device."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from hamrasan.accounts.oauth.client_metadata import DEVICE_CODE_GRANT
from tests.running import Person, Running, answered
from tests.signing_in import WEB_CLIENT, Client, Page, Tab, refused_by_oauth, scope_of, whoami


def begin(client: Client, device_id: str = "TV", **changed: str) -> httpx.Response:
    fields = {"client_id": client.client_id, "scope": scope_of(device_id), **changed}
    return client.http.post(client.metadata["device_authorization_endpoint"], data=fields)


def poll(client: Client, device_code: str, **changed: str) -> httpx.Response:
    fields = {"grant_type": DEVICE_CODE_GRANT, "device_code": device_code, "client_id": client.client_id}
    return client.post_token(**{**fields, **changed})


def let_in(tab: Tab, begun: dict[str, Any], who: Person, button: str = "allow") -> Page:
    page = tab.sign_in(tab.open(begun["verification_uri_complete"]), who.localpart)
    assert page.forms[0].fields["user_code"] == begun["user_code"]
    page = tab.submit(page)
    assert "Test client" in page.text
    assert begun["user_code"] in page.text
    return tab.submit(page, button=button)


def test_somebody_lets_a_device_in(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        begun = answered(begin(client))
        assert begun.keys() == {
            "device_code",
            "user_code",
            "verification_uri",
            "verification_uri_complete",
            "expires_in",
            "interval",
        }
        refused_by_oauth(poll(client, begun["device_code"]), "authorization_pending")
        refused_by_oauth(poll(client, begun["device_code"]), "slow_down")
        page = let_in(tab, begun, who)
        assert "is logged in to your account" in page.text
        tokens = answered(poll(client, begun["device_code"]))
        assert tokens["scope"] == scope_of("TV")
        assert tokens["refresh_token"]
        me = answered(whoami(server, tokens["access_token"]))
        assert (me["user_id"], me["device_id"]) == (who.user_id, "TV")
        refused_by_oauth(poll(client, begun["device_code"]), "invalid_grant")
        assert answered(whoami(server, tokens["access_token"])) == me
        page = tab.submit(tab.open("/link"), user_code=begun["user_code"])
        assert page.response.status_code == 400, "a code is good for once"


def test_somebody_does_not_let_a_device_in(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        begun = answered(begin(client))
        assert "was not let in" in let_in(tab, begun, who, "deny").text
        for _ in range(2):
            refused_by_oauth(poll(client, begun["device_code"]), "access_denied")
    assert len(who.get("/devices")["devices"]) == 1


def test_opening_the_link_alone_lets_nobody_in(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        begun = answered(begin(client))
        page = tab.sign_in(tab.open(begun["verification_uri_complete"]), who.localpart)
        tab.open(begun["verification_uri_complete"] + "&decision=allow")
        tab.submit(page)
        refused_by_oauth(poll(client, begun["device_code"]), "authorization_pending")


def test_codes_are_typed_as_people_type(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        code = answered(begin(client))["user_code"]
        page = tab.sign_in(tab.open("/link"), who.localpart)
        for typed in (code.lower(), code.replace("-", " "), f" {code.replace('-', '')} ", " ".join(code)):
            assert "Test client" in tab.submit(page, user_code=typed).text, typed


def test_wrong_codes_are_limited(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Tab(server.url) as tab:
        begun = answered(begin(client))
        page = tab.sign_in(tab.open("/link"), who.localpart)
        statuses = []
        tab.http.headers["X-Forwarded-For"] = "198.51.100.77"
        for _ in range(12):
            page = tab.submit(page, user_code="BBBB-BBBB")
            statuses.append(page.response.status_code)
        assert statuses == [400] * 10 + [429] * 2
        page = tab.submit(page, user_code=begun["user_code"])
        assert page.response.status_code == 429, "the right one has to wait as well"


@pytest.mark.parametrize(
    ("changed", "error", "status"),
    [
        ({"client_id": "nobody"}, "invalid_client", 401),
        ({"client_id": ""}, "invalid_request", 400),
        ({"scope": ""}, "invalid_scope", 400),
        ({"scope": "urn:matrix:client:api:*"}, "invalid_scope", 400),
    ],
)
def test_what_cannot_begin(server: Running, changed: dict[str, str], error: str, status: int) -> None:
    with Client(server) as client:
        refused_by_oauth(begin(client, "TV", **changed), error, status)


def test_a_client_that_has_not_registered_for_it(server: Running) -> None:
    grants = [grant for grant in WEB_CLIENT["grant_types"] if grant != DEVICE_CODE_GRANT]
    with Client(server, grant_types=grants) as client:
        refused_by_oauth(begin(client), "unauthorized_client")


def test_a_device_code_of_one_client_is_worth_nothing_to_another(server: Running) -> None:
    who = server.register()
    with Client(server) as client, Client(server, client_name="Other") as other, Tab(server.url) as tab:
        begun = answered(begin(client))
        let_in(tab, begun, who)
        refused_by_oauth(poll(other, begun["device_code"]), "invalid_grant")
        refused_by_oauth(poll(client, "hmd_made_up"), "invalid_grant")
        refused_by_oauth(poll(client, begun["user_code"]), "invalid_grant")
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: poll(client, begun["device_code"]), range(8)))
        assert sorted(answer.status_code for answer in answers) == [200, *[400] * 7]


def test_codes_end(fresh_server: Running) -> None:
    who = fresh_server.register()
    with Client(fresh_server) as client, Tab(fresh_server.url) as tab:
        begun = answered(begin(client))
        page = tab.sign_in(tab.open("/link"), who.localpart)
        grants = fresh_server.server.services.oauth_device_grants
        now, real = grants._clock.now_ms(), grants._clock

        class Later:
            def now_ms(self) -> int:
                return now + 15 * 60 * 1000 + 1

            def monotonic(self) -> float:
                return real.monotonic()

        grants._clock = Later()
        assert tab.submit(page, user_code=begun["user_code"]).response.status_code == 400
        refused_by_oauth(poll(client, begun["device_code"]), "expired_token")
