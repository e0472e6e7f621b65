"""Registering clients."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.running import Running, running
from tests.signing_in import WEB_CLIENT, Client, refused_by_oauth

REGISTER = "/oauth/register"


def test_a_client_registers(server: Running) -> None:
    said = {
        **WEB_CLIENT,
        "client_name#fa": "برنامهٔ آزمون",
        "client_name#fr": "client d'essai",
        "logo_uri": "https://client.test/logo.png",
        "tos_uri": "https://www.client.test/terms",
        "policy_uri": "https://client.test/privacy",
        "grant_types": ["authorization_code", "refresh_token", "something:new"],
        "response_types": ["code", "none"],
        "contacts": ["somebody@client.test"],
    }
    with server.anonymous() as http:
        answer = http.post(REGISTER, json=said)
        assert answer.status_code == 201
        registered = answer.json()
        assert registered.pop("client_id")
        expected = {
            **said,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        }
        del expected["contacts"], expected["client_name#fr"]
        assert registered == expected
        assert http.post(REGISTER, json=said).json()["client_id"] == answer.json()["client_id"]
        other = http.post(REGISTER, json={**said, "client_name": "Other"}).json()["client_id"]
        assert other != answer.json()["client_id"]


@pytest.mark.parametrize(
    "changed",
    [
        {"client_uri": None},
        {"client_uri": 7},
        {"client_uri": "http://client.test/"},
        {"client_uri": "https://somebody@client.test/"},
        {"client_uri": "https:///nothing"},
        {"client_uri": "https://client.test/ blank"},
        {"client_uri": "https://client.test:port/"},
        {"client_name": 7},
        {"client_name": "x" * 129},
        {"client_name": "a\u202eb"},
        {"client_name": "two\nlines"},
        {"logo_uri": "https://elsewhere.test/logo.png"},
        {"tos_uri": "http://client.test/terms"},
        {"policy_uri": "javascript:alert(1)"},
        {"application_type": "desktop"},
        {"grant_types": []},
        {"grant_types": ["implicit"]},
        {"grant_types": "authorization_code"},
        {"response_types": ["token"]},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"redirect_uris": "https://app.client.test/callback"},
        {"redirect_uris": [7]},
    ],
)
def test_what_a_client_cannot_be(server: Running, changed: dict[str, Any]) -> None:
    said = {name: value for name, value in {**WEB_CLIENT, **changed}.items() if value is not None}
    with server.anonymous() as http:
        refused_by_oauth(http.post(REGISTER, json=said), "invalid_client_metadata")


@pytest.mark.parametrize(
    ("kind", "uris"),
    [
        ("web", []),
        ("web", ["https://elsewhere.test/callback"]),
        ("web", ["http://client.test/callback"]),
        ("web", ["http://localhost/callback"]),
        ("web", ["test.client:/callback"]),
        ("web", ["https://client.test/callback#fragment"]),
        ("native", ["http://localhost:1234/callback"]),
        ("native", ["https://localhost/callback"]),
        ("native", ["client:/callback"]),
        ("native", ["test.client.app://callback"]),
        ("native", ["http://10.0.0.1/callback"]),
        ("native", ["http://localhost.client.test/callback"]),
        ("native", ["javascript:alert(1)"]),
        ("web", [f"https://client.test/{number}" for number in range(11)]),
        ("web", ["https://client.test/" + "x" * 2000]),
    ],
)
def test_where_a_client_cannot_send_people(server: Running, kind: str, uris: list[str]) -> None:
    said = {**WEB_CLIENT, "application_type": kind, "redirect_uris": uris}
    with server.anonymous() as http:
        refused_by_oauth(http.post(REGISTER, json=said), "invalid_redirect_uri")


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b'"text"', b"\xff", b"[" * 10_000])
def test_bodies_that_say_nothing(server: Running, body: bytes) -> None:
    with server.anonymous() as http:
        refused_by_oauth(http.post(REGISTER, content=body), "invalid_client_metadata")


def test_a_thousand_registrations_from_one_address_are_too_many(tmp_path: Path) -> None:
    with running(tmp_path, rate_limits=True) as server, server.anonymous() as http:
        answers = [
            http.post(REGISTER, json={**WEB_CLIENT, "client_name": f"Client {number}"})
            for number in range(1000)
        ]
        codes = Counter(answer.status_code for answer in answers)
        assert codes.keys() == {201, 429}
        assert 100 <= codes[201] < 200
        refusal = next(answer for answer in answers if answer.status_code == 429)
        assert refusal.json()["errcode"] == "M_LIMIT_EXCEEDED"
        assert int(refusal.headers["retry-after"]) >= 1


def test_clients_without_a_session_are_forgotten(fresh_server: Running) -> None:
    clients = fresh_server.server.services.oauth_clients
    who = fresh_server.register()
    with Client(fresh_server) as used, Client(fresh_server, client_name="Unused") as unused:
        used.log_in(fresh_server, who)
        fresh_server.run(clients.forget_idle())
        assert fresh_server.run(clients.find(unused.client_id)) is not None
        now = clients._clock.now_ms()
        clients._clock = Later(now + 25 * 60 * 60 * 1000)
        fresh_server.run(clients.forget_idle())
        assert fresh_server.run(clients.find(unused.client_id)) is None
        assert fresh_server.run(clients.find(used.client_id)) is not None
        refused_by_oauth(unused.refresh("hmr_x"), "invalid_client", 401)


class Later:
    """A clock that stands."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000
