"""Who signed a request (server-server API, "Request Authentication")."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.signing import SigningKey
from hamrasan.protocol.x_matrix import sign_request
from tests.federation.country import Member, country

URI = "/_matrix/federation/v1/send/1?a=%21b"
BODY = b'{"pdus":[],"number":1}'
CANONICAL = b'{"number":1,"pdus":[]}'


def signed(
    by: Member, to: str, *, method: str = "PUT", uri: str = URI, content: bytes | None = CANONICAL
) -> str:
    return sign_request(method, uri, by.name, to, content, by.services.own_keys.current)


def checked(by: Member, header: str | None, *, uri: str = URI, body: bytes = BODY) -> Any:
    return by.run(by.services.request_check.check("PUT", uri, header, body))


def refusal(by: Member, header: str | None, **request: Any) -> tuple[int, str]:
    with pytest.raises(MatrixError) as refused:
        checked(by, header, **request)
    return refused.value.status, refused.value.errcode


UNAUTHORIZED = (401, "M_UNAUTHORIZED")


def test_a_signed_request_is_known_by_its_origin() -> None:
    with country("a", "b") as (a, b):
        remote = checked(b, signed(a, "b.test"))
        assert (remote.origin, remote.content) == ("a.test", {"pdus": [], "number": 1})
        # Each of these differs from the one above in one thing.
        assert refusal(b, signed(a, "c.test")) == UNAUTHORIZED
        assert refusal(b, signed(a, "b.test"), uri=URI + "x") == UNAUTHORIZED
        assert refusal(b, signed(a, "b.test"), body=b'{"pdus":[],"number":2}') == UNAUTHORIZED
        assert refusal(b, signed(a, "b.test", method="POST")) == UNAUTHORIZED
        assert refusal(b, signed(a, "b.test", content=None)) == UNAUTHORIZED
        assert refusal(b, signed(a, "b.test"), body=b"no json") == (400, "M_NOT_JSON")
        assert refusal(b, None) == UNAUTHORIZED
        assert refusal(b, signed(b, "b.test")) == UNAUTHORIZED
        other = SigningKey(a.services.own_keys.current.key_id, bytes(32))
        assert refusal(b, sign_request("PUT", URI, "a.test", "b.test", CANONICAL, other)) == UNAUTHORIZED
        assert refusal(b, sign_request("PUT", URI, "nobody.test", "b.test", CANONICAL, other)) == UNAUTHORIZED


def test_older_servers_may_leave_out_for_whom_a_request_is() -> None:
    with country("a", "b") as (a, b):
        header = signed(a, "b.test")
        without = header.replace('destination="b.test",', "")
        assert without != header
        assert checked(b, without).origin == "a.test"


def test_an_excluded_server_is_refused_in_both_directions() -> None:
    with country("a", "b", federation_denied=("b.*",)) as (a, b):
        assert refusal(a, signed(b, "a.test")) == (403, "M_FORBIDDEN")
        with pytest.raises(MatrixError, match="does not federate"):
            a.ask(b, "GET", "/_matrix/federation/v1/version")
    with country("a", "b", federation_allowed=("a.test",)) as (a, b):
        assert refusal(a, signed(b, "a.test")) == (403, "M_FORBIDDEN")
        assert checked(b, signed(a, "b.test")).origin == "a.test"
