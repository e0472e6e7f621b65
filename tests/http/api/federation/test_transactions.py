"""What other servers push, as far as the endpoint goes."""

from __future__ import annotations

from tests.federation.visitors import Visitor
from tests.running import answered, refused


def test_an_empty_transaction_is_taken(there: Visitor) -> None:
    body = {"origin": there.name, "origin_server_ts": 1, "pdus": []}
    assert answered(there.request("PUT", "/send/empty", body)) == {"pdus": {}}


def test_a_transaction_of_another_form_is_refused(there: Visitor) -> None:
    refused(there.request("PUT", "/send/1", {"origin": there.name, "pdus": {}}), 400, "M_BAD_JSON")
    refused(there.request("PUT", "/send/2", {"origin": "other.test", "pdus": []}), 403, "M_FORBIDDEN")
    many = {"origin": there.name, "origin_server_ts": 1, "pdus": [{}] * 51}
    refused(there.request("PUT", "/send/3", many), 400, "M_BAD_JSON")
