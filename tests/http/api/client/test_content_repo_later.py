"""Addresses that are reserved for files which are uploaded later."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx

from tests.running import Person, Running, answered, refused, running

UPLOAD = "/_matrix/media/v3/upload"
CREATE = "/_matrix/media/v1/create"
DOWNLOAD = "/_matrix/client/v1/media/download"


def reserved(who: Person) -> str:
    """Reserve an address and return what follows `mxc://`."""
    uri: str = answered(who.http.post(CREATE))["content_uri"]
    return uri.removeprefix("mxc://")


def fill(who: Person, address: str, content: Any, **query: str) -> httpx.Response:
    return who.http.put(
        f"{UPLOAD}/{address}", content=content, params=query, headers={"Content-Type": "text/plain"}
    )


def download(who: Person, address: str, **query: str) -> httpx.Response:
    return who.http.get(f"{DOWNLOAD}/{address}", params=query)


def test_a_file_arrives_later_under_its_address(alice: Person, bob: Person) -> None:
    answer = answered(alice.http.post(CREATE, json={}))
    assert answer["unused_expires_at"] > 1_700_000_000_000
    address = answer["content_uri"].removeprefix("mxc://")
    refused(download(bob, address, timeout_ms="0"), 504, "M_NOT_YET_UPLOADED")
    assert fill(alice, address, b"at last", filename="late.txt").json() == {}
    got = download(bob, address)
    assert (got.content, got.headers["Content-Disposition"]) == (b"at last", 'inline; filename="late.txt"')


def test_whoever_waits_gets_the_file_when_it_comes(alice: Person, bob: Person, carol: Person) -> None:
    address = reserved(alice)
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda who=who: answers.append(download(who, address)))
        for who in (bob, carol)
    ]
    for thread in threads:
        thread.start()
    fill(alice, address, b"now")
    for thread in threads:
        thread.join()
    assert [answer.content for answer in answers] == [b"now", b"now"]


def test_what_is_there_cannot_be_overwritten(alice: Person) -> None:
    address = reserved(alice)
    fill(alice, address, b"first")
    refused(fill(alice, address, b"second"), 409, "M_CANNOT_OVERWRITE_MEDIA")
    assert download(alice, address).content == b"first"
    uri = answered(alice.http.post(UPLOAD, content=b"whole"))["content_uri"].removeprefix("mxc://")
    refused(fill(alice, uri, b"other"), 409, "M_CANNOT_OVERWRITE_MEDIA")


def test_of_several_uploads_at_once_one_wins(alice: Person) -> None:
    address = reserved(alice)
    answers: dict[bytes, int] = {}

    def send(content: bytes) -> None:
        answers[content] = fill(alice, address, content).status_code

    threads = [threading.Thread(target=send, args=(b"%d" % number * 50_000,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers.values()) == [200, 409, 409, 409, 409]
    [winner] = [content for content, status in answers.items() if status == 200]
    assert download(alice, address).content == winner


def test_an_address_is_for_who_reserved_it(alice: Person, bob: Person, server: Running) -> None:
    address = reserved(alice)
    refused(fill(bob, address, b"x"), 403, "M_FORBIDDEN")
    refused(fill(alice, f"{server.name}/neverreserved", b"x"), 404, "M_NOT_FOUND")
    refused(fill(alice, address.replace(server.name, "elsewhere.example"), b"x"), 404, "M_NOT_FOUND")
    refused(fill(alice, "hamrasan.test/..%2F..", b"x"), 400, "M_INVALID_PARAM")
    refused(download(alice, address, timeout_ms="1"), 504, "M_NOT_YET_UPLOADED")


def test_times_to_wait_that_are_none(alice: Person) -> None:
    address = reserved(alice)
    for text in ["-1", "soon", "1.5"]:
        refused(download(alice, address, timeout_ms=text), 400, "M_INVALID_PARAM")


def test_nobody_reserves_without_end(alice: Person, bob: Person) -> None:
    addresses = [reserved(alice) for _ in range(20)]
    refused(alice.http.post(CREATE), 429, "M_LIMIT_EXCEEDED")
    reserved(bob)
    fill(alice, addresses[0], b"x")
    reserved(alice)


def test_a_reserved_address_survives_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        alice = server.register("alice")
        address = reserved(alice)
    with running(tmp_path) as server:
        alice = server.log_in(alice)
        assert fill(alice, address, b"x").status_code == 200
