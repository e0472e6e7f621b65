"""Rendezvous of two devices."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.running import Running, answered, refused

TEXT = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous"
JSON = "/_matrix/client/unstable/io.element.msc4388/rendezvous"
PLAIN = {"Content-Type": "text/plain"}


@pytest.fixture
def http(server: Running) -> Iterator[httpx.Client]:
    with server.anonymous() as client:
        yield client


def test_both_are_announced(http: httpx.Client) -> None:
    features = answered(http.get("/_matrix/client/versions"))["unstable_features"]
    assert features["org.matrix.msc4108"]
    assert features["io.element.msc4388"]
    assert answered(http.get(JSON)) == {"create_available": True}


def test_two_devices_meet(http: httpx.Client) -> None:
    begun = http.post(TEXT, content=b"one", headers=PLAIN)
    assert begun.status_code == 201
    address, first = begun.json()["url"], begun.headers["etag"]
    assert begun.headers["expires"]
    assert begun.headers["access-control-expose-headers"] == "ETag"
    read = http.get(address)
    assert (read.status_code, read.content, read.headers["etag"]) == (200, b"one", first)
    assert read.headers["content-type"] == "text/plain"
    assert read.headers["cache-control"] == "no-store"
    assert http.get(address, headers={"If-None-Match": first}).status_code == 304
    written = http.put(address, content=b"two", headers={**PLAIN, "If-Match": first})
    assert written.status_code == 202
    second = written.headers["etag"]
    assert second != first
    late = http.put(address, content=b"three", headers={**PLAIN, "If-Match": first})
    assert late.status_code == 412
    assert late.json()["org.matrix.msc4108.errcode"] == "M_CONCURRENT_WRITE"
    assert late.headers["etag"] == second
    assert http.get(address, headers={"If-None-Match": first}).content == b"two"
    assert http.delete(address).status_code == 204
    for answer in (http.get(address), http.delete(address)):
        refused(answer, 404, "M_NOT_FOUND")


def test_two_devices_meet_as_the_later_proposal_says(http: httpx.Client) -> None:
    begun = answered(http.post(JSON, json={"data": "one"}))
    assert 0 < begun["expires_in_ms"] <= 300_000
    address = f"{JSON}/{begun['id']}"
    read = answered(http.get(address))
    assert (read["data"], read["sequence_token"]) == ("one", begun["sequence_token"])
    written = answered(http.put(address, json={"data": "two", "sequence_token": read["sequence_token"]}))
    late = http.put(address, json={"data": "three", "sequence_token": read["sequence_token"]})
    assert (late.status_code, late.json()["errcode"]) == (409, "IO_ELEMENT_MSC4388_CONCURRENT_WRITE")
    read = answered(http.get(address))
    assert (read["data"], read["sequence_token"]) == ("two", written["sequence_token"])
    answered(http.delete(address))
    refused(http.get(address), 404, "M_NOT_FOUND")


def test_what_is_refused(http: httpx.Client) -> None:
    refused(http.post(TEXT, content=b"x" * 4097, headers=PLAIN), 413, "M_TOO_LARGE")
    refused(http.post(TEXT, json={}), 400, "M_INVALID_PARAM")
    refused(http.post(JSON, json={"data": "x" * 4097}), 413, "M_TOO_LARGE")
    refused(http.post(JSON, json={"data": 7}), 400, "M_BAD_JSON")
    refused(http.post(JSON, json={}), 400, "M_MISSING_PARAM")
    begun = http.post(TEXT, content=b"x" * 4096, headers=PLAIN)
    address = begun.json()["url"]
    refused(http.put(address, content=b"x", headers=PLAIN), 400, "M_MISSING_PARAM")
    refused(
        http.put(address, content=b"x" * 4097, headers={**PLAIN, "If-Match": begun.headers["etag"]}),
        413,
        "M_TOO_LARGE",
    )
    assert len(http.get(address).content) == 4096
    refused(http.get(f"{TEXT}/made-up"), 404, "M_NOT_FOUND")
    refused(http.put(f"{JSON}/made-up", json={"data": "", "sequence_token": ""}), 404, "M_NOT_FOUND")


def test_browsers_may_ask_with_conditions(http: httpx.Client) -> None:
    allowed = http.options(f"{TEXT}/x").headers.get_list("access-control-allow-headers", split_commas=True)
    assert {"If-Match", "If-None-Match", "Content-Type"} <= set(allowed)
