"""Which requests between servers are let in, through the listener for servers (server-server API, "Authentication")."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from hamrasan.protocol.canonical_json import encode_canonical
from hamrasan.protocol.signing import SigningKey
from hamrasan.protocol.x_matrix import sign_request
from tests.federation.country import Member, country
from tests.federation.strangers import KEYS, Stranger, json_answer
from tests.running import check_form, refused

SEND = "/_matrix/federation/v1/send/"
EMPTY: dict[str, Any] = {"origin": "c.test", "origin_server_ts": 1, "pdus": [], "edus": []}
CONTENT = encode_canonical(EMPTY)


@pytest.fixture(scope="module")
def met() -> Iterator[tuple[Member, Stranger]]:
    """A server, and a stranger that it knows."""
    with country("a") as (a,):
        yield a, a.land.stranger("c")


def header(
    key: SigningKey,
    origin: str = "c.test",
    destination: str = "a.test",
    content: bytes | None = CONTENT,
    method: str = "PUT",
    uri: str = SEND + "1",
) -> str:
    return sign_request(method, uri, origin, destination, content, key)


def test_a_signed_transaction_is_taken(met: tuple[Member, Stranger]) -> None:
    a, stranger = met
    answer = stranger.request(a, "PUT", SEND + "taken", EMPTY)
    check_form(answer)
    assert (answer.status_code, answer.json()) == (200, {"pdus": {}})


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer secret",
        "X-Matrix",
        "X-Matrix origin=c.test",
        header(SigningKey("ed25519:stranger", bytes(32))),
        header(SigningKey("ed25519:unknown", bytes(32))),
        header(SigningKey("ed25519:unknown", bytes(32)), origin="a.test"),
        header(SigningKey("ed25519:unknown", bytes(32)), origin="nobody.test"),
        header(SigningKey("ed25519:unknown", bytes(32)), origin="127.0.0.1:1"),
    ],
)
def test_what_nobody_signed_is_refused(met: tuple[Member, Stranger], authorization: str) -> None:
    a, stranger = met
    given = {"Authorization": authorization} if authorization else {}
    answer = stranger.request_unsigned(a, "PUT", SEND + "1", CONTENT, **given)
    refused(answer, 401, "M_UNAUTHORIZED")


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "POST"},
        {"uri": SEND + "2"},
        {"uri": SEND + "1?"},
        {"destination": "b.test"},
        {"origin": "a.test"},
        {"content": None},
        {"content": b"{}"},
    ],
)
def test_a_signature_over_something_else_is_refused(
    met: tuple[Member, Stranger], changed: dict[str, Any]
) -> None:
    a, stranger = met
    authorization = header(stranger.key, **changed)
    answer = stranger.request_unsigned(a, "PUT", SEND + "1", CONTENT, Authorization=authorization)
    refused(answer, 401, "M_UNAUTHORIZED")


def test_a_body_that_is_no_json_is_refused(met: tuple[Member, Stranger]) -> None:
    a, stranger = met
    authorization = header(stranger.key, content=b"{")
    answer = stranger.request_unsigned(a, "PUT", SEND + "1", b"{", Authorization=authorization)
    refused(answer, 400, "M_NOT_JSON")


def test_a_large_body_is_read_like_a_small_one(met: tuple[Member, Stranger]) -> None:
    a, stranger = met
    large = {**EMPTY, "more": ["x" * 1000] * 500}
    assert stranger.request(a, "PUT", SEND + "large", large).status_code == 200
    authorization = header(stranger.key, content=encode_canonical({**large, "x": 1}), uri=SEND + "l2")
    answer = stranger.request_unsigned(
        a, "PUT", SEND + "l2", encode_canonical(large), Authorization=authorization
    )
    refused(answer, 401, "M_UNAUTHORIZED")


def test_a_key_that_has_ended_signs_no_requests() -> None:
    with country("a") as (a,):
        stranger = a.land.stranger("c")
        ended = int(time.time() * 1000) - 1
        stranger.answers[KEYS] = json_answer(stranger.say_keys(valid_until_ts=ended))
        refused(stranger.request(a, "PUT", SEND + "1", EMPTY), 401, "M_UNAUTHORIZED")


def test_an_excluded_server_is_let_in_once_the_list_has_changed() -> None:
    with country("a", federation_denied=("*.test",)) as (a,):
        stranger = a.land.stranger("c")
        refused(stranger.request(a, "PUT", SEND + "1", EMPTY), 403, "M_FORBIDDEN")
        assert stranger.asked == []
        a.change(federation_denied=())
        assert stranger.request(a, "PUT", SEND + "1", EMPTY).status_code == 200
        a.change(federation_allowed=("b.test",))
        refused(stranger.request(a, "PUT", SEND + "2", EMPTY), 403, "M_FORBIDDEN")


def test_who_sends_on_and_on_without_a_signature_is_held_up() -> None:
    with country("a", rate_limits=True) as (a,):
        stranger = a.land.stranger("c")
        forged = header(SigningKey("ed25519:stranger", bytes(32)))
        statuses = [
            stranger.request_unsigned(a, "PUT", SEND + "1", CONTENT, Authorization=forged).status_code
            for _ in range(210)
        ]
        assert statuses[:200] == [401] * 200
        assert statuses[-1] == 429
        assert [asked.uri for asked in stranger.asked] == [KEYS]


def test_people_are_not_served_where_servers_are(met: tuple[Member, Stranger]) -> None:
    a, stranger = met
    answer = stranger.request_unsigned(a, "GET", "/_matrix/client/versions")
    refused(answer, 404, "M_UNRECOGNIZED")
    # But servers are where people are, for providers with one front for both.
    with a.anonymous() as http:
        assert http.get("/_matrix/federation/v1/version").json()["server"]["name"] == "Hamrasan"
        authorization = header(stranger.key, uri=SEND + "front")
        answer = http.put(SEND + "front", content=CONTENT, headers={"Authorization": authorization})
        assert answer.status_code == 200
