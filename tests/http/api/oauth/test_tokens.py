"""Refreshing and revoking tokens of the OAuth 2.0 API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.running import Running, answered, refused
from tests.signing_in import Client, refused_by_oauth, whoami


def test_tokens_are_refreshed(server: Running) -> None:
    who = server.register()
    with Client(server) as client:
        first = client.log_in(server, who)
        second = answered(client.refresh(first["refresh_token"]))
        assert second.keys() == first.keys()
        assert second["scope"] == first["scope"]
        answered(whoami(server, second["access_token"]))
        refused(whoami(server, first["access_token"]), 401, "M_UNKNOWN_TOKEN")


def test_a_refresh_whose_answer_is_lost_can_be_repeated(server: Running) -> None:
    who = server.register()
    with Client(server) as client:
        first = client.log_in(server, who)
        lost = answered(client.refresh(first["refresh_token"]))
        again = answered(client.refresh(first["refresh_token"]))
        answered(whoami(server, again["access_token"]))
        refused(whoami(server, lost["access_token"]), 401, "M_UNKNOWN_TOKEN")
        answered(client.refresh(again["refresh_token"]))


def test_a_refresh_token_that_was_replaced_ends_the_session_of_its_thief(server: Running) -> None:
    who = server.register()
    with Client(server) as client:
        first = client.log_in(server, who, "STOLEN")
        second = answered(client.refresh(first["refresh_token"]))
        answered(whoami(server, second["access_token"]))
        refused_by_oauth(client.refresh(first["refresh_token"]), "invalid_grant")
        refused(whoami(server, second["access_token"]), 401, "M_UNKNOWN_TOKEN")
        refused_by_oauth(client.refresh(second["refresh_token"]), "invalid_grant")
    assert [device["device_id"] for device in who.get("/devices")["devices"]] == [who.device_id]


def test_refreshes_at_the_same_moment_leave_one_session(server: Running) -> None:
    who = server.register()
    with Client(server) as client:
        first = client.log_in(server, who)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: client.refresh(first["refresh_token"]), range(8)))
        assert [answer.status_code for answer in answers] == [200] * 8
        alive = [
            answer.json()
            for answer in answers
            if whoami(server, answer.json()["access_token"]).status_code == 200
        ]
        assert len(alive) == 1, "each took the place of the one before"


@pytest.mark.parametrize("token", ["", "hmr_unknown", "hmr_" + "x" * 59, "x" * 9000])
def test_unknown_refresh_tokens(server: Running, token: str) -> None:
    with Client(server) as client:
        answer = client.refresh(token)
        refused_by_oauth(answer, "invalid_grant" if token else "invalid_request")


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "nonsense"])
def test_revoking_either_token_logs_out(server: Running, kind: str, hint: str | None) -> None:
    who = server.register()
    with Client(server) as client:
        tokens = client.log_in(server, who, "GONE")
        fields = {"token": tokens[kind], "client_id": client.client_id}
        if hint is not None:
            fields["token_type_hint"] = hint
        answered(client.http.post(client.metadata["revocation_endpoint"], data=fields))
        refused(whoami(server, tokens["access_token"]), 401, "M_UNKNOWN_TOKEN")
        refused_by_oauth(client.refresh(tokens["refresh_token"]), "invalid_grant")
        answered(client.http.post(client.metadata["revocation_endpoint"], data=fields))
    assert [device["device_id"] for device in who.get("/devices")["devices"]] == [who.device_id]


def test_whoever_finds_a_token_can_revoke_it(server: Running) -> None:
    who = server.register()
    with Client(server) as client:
        tokens = client.log_in(server, who)
        revoke = client.metadata["revocation_endpoint"]
        answered(client.http.post(revoke, data={"token": "hma_unknown"}))
        refused_by_oauth(client.http.post(revoke, data={"client_id": "x"}), "invalid_request")
        answered(client.http.post(revoke, data={"token": tokens["access_token"], "client_id": "another"}))
        refused(whoami(server, tokens["access_token"]), 401, "M_UNKNOWN_TOKEN")


@pytest.mark.parametrize(
    "body",
    [
        b'{"grant_type": "refresh_token"}',
        b"grant_type=refresh_token&grant_type=refresh_token&refresh_token=x&client_id=y",
        b"grant_type=refresh_token&refresh_token=%ff%fe&client_id=y",
        b"&".join(b"a%d=1" % number for number in range(200)),
    ],
)
def test_bodies_that_are_no_forms(server: Running, body: bytes) -> None:
    with server.anonymous() as http:
        for path in ("/oauth/token", "/oauth/revoke"):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            refused_by_oauth(http.post(path, content=body, headers=headers), "invalid_request")
            refused_by_oauth(
                http.post(path, content=b"token=x", headers={"Content-Type": "text/plain"}), "invalid_request"
            )


def test_a_body_that_is_too_large(server: Running) -> None:
    with server.anonymous() as http:
        answer: httpx.Response = http.post("/oauth/token", data={"code": "x" * 100_000})
        refused(answer, 413, "M_TOO_LARGE")
