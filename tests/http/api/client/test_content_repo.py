"""Uploads and downloads of files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import PASSWORD, Person, Running, answered, refused, running
from tests.syncing import wait_for

UPLOAD = "/_matrix/media/v3/upload"
CREATE = "/_matrix/media/v1/create"
MEDIA = "/_matrix/client/v1/media"
NAME = "گزارش آذر.pdf"
CSP = (
    "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; "
    "style-src 'unsafe-inline'; object-src 'self';"
)


def upload(
    who: Person, content: Any, content_type: str | None = "text/plain", **query: str
) -> httpx.Response:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return who.http.post(UPLOAD, content=content, params=query, headers=headers)


def uploaded(who: Person, content: Any, content_type: str | None = "text/plain", **query: str) -> str:
    """Upload something and return what follows `mxc://`."""
    uri: str = answered(upload(who, content, content_type, **query))["content_uri"]
    assert uri.startswith("mxc://hamrasan.test/")
    return uri.removeprefix("mxc://")


def download(who: Person, address: str, rest: str = "", **headers: str) -> httpx.Response:
    return who.http.get(f"{MEDIA}/download/{address}{rest}", headers=headers)


def blobs(server: Running) -> set[str]:
    """Return the keys of all blobs on the disk."""
    folder = server.data_dir / "media"
    return {file.name for file in folder.glob("??/*")}


def arriving(server: Running) -> list[str]:
    return [file.name for file in (server.data_dir / "media" / "arriving").iterdir()]


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[Running]:
    """A server with room for little."""
    with running(tmp_path / "data", max_upload_size=1000, media_quota=2500) as own:
        yield own


def test_a_file_comes_back_as_it_was_with_headers_that_keep_it_harmless(alice: Person, bob: Person) -> None:
    content = bytes(range(256)) * 5000
    address = uploaded(alice, content, "image/png", filename="cat.png")
    answer = download(bob, address)
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == 'inline; filename="cat.png"'
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Security-Policy"] == CSP
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/plain; charset=utf-8", "inline"),
        ("IMAGE/JPEG", "inline"),
        ("audio/x-flac", "inline"),
        ("text/html", "attachment"),
        ("image/svg+xml", "attachment"),
        ("application/xhtml+xml", "attachment"),
        ("application/pdf", "attachment"),
        ("application/javascript", "attachment"),
    ],
)
def test_only_what_cannot_run_is_shown(alice: Person, content_type: str, kind: str) -> None:
    answer = download(alice, uploaded(alice, b"<script>", content_type))
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Disposition"] == kind


@pytest.mark.parametrize("content_type", [None, "", "image", "text/html, text/plain", "x" * 300, "a/b\u00e9"])
def test_a_type_that_is_none_becomes_unknown_bytes(alice: Person, content_type: str | None) -> None:
    headers = {} if content_type is None else {b"Content-Type": content_type.encode("latin-1")}
    uri = answered(alice.http.post(UPLOAD, content=b"?", headers=headers))["content_uri"]
    answer = download(alice, uri.removeprefix("mxc://"))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.txt", 'inline; filename="a b.txt"'),
        ('say "hi".txt', "inline; filename*=utf-8''say%20%22hi%22.txt"),
        ("50%.txt", "inline; filename*=utf-8''50%25.txt"),
        ("a\r\nSet-Cookie: x=y", "inline; filename*=utf-8''a%0D%0ASet-Cookie%3A%20x%3Dy"),
        ("../../etc/passwd", "inline; filename*=utf-8''..%2F..%2Fetc%2Fpasswd"),
        ("نامه.txt", "inline; filename*=utf-8''%D9%86%D8%A7%D9%85%D9%87.txt"),
    ],
)
def test_names_are_kept_whatever_is_in_them(alice: Person, name: str, header: str) -> None:
    assert download(alice, uploaded(alice, b"x", filename=name)).headers["Content-Disposition"] == header


def test_the_address_may_give_another_name(alice: Person) -> None:
    address = uploaded(alice, b"x", "application/pdf", filename="old.pdf")
    answer = download(alice, address, f"/{NAME}")
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename*=utf-8''%DA%AF%D8%B2%D8%A7%D8%B1%D8%B4%20%D8%A2%D8%B0%D8%B1.pdf"
    )
    refused(download(alice, address, "/" + "x" * 1025), 400, "M_INVALID_PARAM")


def test_a_name_without_end_is_refused(alice: Person) -> None:
    assert upload(alice, b"x", filename="ن" * 512).status_code == 200
    refused(upload(alice, b"x", filename="ن" * 513), 400, "M_INVALID_PARAM")


def test_an_empty_file_is_a_file(alice: Person) -> None:
    address = uploaded(alice, b"")
    answer = download(alice, address)
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")
    refused(download(alice, address, Range="bytes=0-"), 416, "M_INVALID_PARAM")


def test_parts_of_a_file(alice: Person) -> None:
    content = bytes(range(250)) * 4000
    address = uploaded(alice, content)
    for header, start, end in [
        ("bytes=0-99", 0, 100),
        ("bytes=999990-", 999_990, 1_000_000),
        ("bytes=999990-5000000", 999_990, 1_000_000),
        ("bytes=-10", 999_990, 1_000_000),
        ("bytes=-5000000", 0, 1_000_000),
        ("bytes=300000-700000", 300_000, 700_001),
    ]:
        answer = download(alice, address, Range=header)
        assert answer.status_code == 206
        assert answer.content == content[start:end]
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/1000000"
        assert answer.headers["Content-Length"] == str(end - start)
    for header in ["bytes=1000000-", "bytes=-0"]:
        answer = download(alice, address, Range=header)
        refused(answer, 416, "M_INVALID_PARAM")
        assert answer.headers["Content-Range"] == "bytes */1000000"
    for header in ["bytes=5-2", "bytes=-", "lines=0-1", "bytes=0-1,5-6", "bytes=a-b"]:
        assert download(alice, address, Range=header).status_code == 200


def test_who_has_the_file_is_not_sent_it_again(alice: Person) -> None:
    address = uploaded(alice, b"the same for ever")
    tag = download(alice, address).headers["ETag"]
    for condition in [tag, f'"other", {tag}', f"W/{tag}", "*"]:
        answer = download(alice, address, **{"If-None-Match": condition})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
    assert download(alice, address, **{"If-None-Match": '"other"'}).status_code == 200
    assert download(alice, address, **{"If-Range": tag, "Range": "bytes=0-2"}).content == b"the"
    assert download(alice, address, **{"If-Range": '"other"', "Range": "bytes=0-2"}).status_code == 200


def test_the_head_of_a_download_alone(alice: Person) -> None:
    address = uploaded(alice, b"x" * 1000)
    answer = alice.http.head(f"{MEDIA}/download/{address}")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "1000")


def test_files_are_for_those_who_are_logged_in(alice: Person, server: Running) -> None:
    address = uploaded(alice, b"x")
    with server.anonymous() as nobody:
        refused(nobody.get(f"{MEDIA}/download/{address}"), 401, "M_MISSING_TOKEN")
        refused(nobody.post(UPLOAD, content=b"x"), 401, "M_MISSING_TOKEN")
        refused(nobody.get(f"{MEDIA}/config"), 401, "M_MISSING_TOKEN")
        refused(nobody.post(CREATE), 401, "M_MISSING_TOKEN")


def test_what_there_is_not_cannot_be_had(alice: Person, server: Running) -> None:
    refused(download(alice, f"{server.name}/doesnotexist"), 404, "M_NOT_FOUND")
    answer = refused(download(alice, "elsewhere.example/file"), 502, "M_CONNECTION_FAILED")
    assert "elsewhere.example" in answer["error"]
    for address in [
        "hamrasan.test/a.b",
        "hamrasan.test/a%2Fb",
        "hamrasan.test/..%2F..%2Fpasswd",
        "bad%20name/x",
    ]:
        refused(download(alice, address), 400, "M_INVALID_PARAM")
    refused(download(alice, f"{server.name}/{'a' * 256}"), 400, "M_INVALID_PARAM")


def test_the_limit_is_told_and_kept(small_server: Running) -> None:
    alice = small_server.register("alice")
    assert alice.get(f"{MEDIA}/config") == {"m.upload.size": 1000}
    assert alice.get("/_matrix/media/v3/config") == {"m.upload.size": 1000}
    uploaded(alice, b"x" * 1000)
    refused(upload(alice, b"x" * 1001), 413, "M_TOO_LARGE")
    refused(upload(alice, iter([b"x" * 600, b"x" * 600])), 413, "M_TOO_LARGE")
    assert len(blobs(small_server)) == 1
    assert arriving(small_server) == []


def test_nobody_has_more_than_the_quota(small_server: Running) -> None:
    alice, bob = small_server.register("alice"), small_server.register("bob")
    uploaded(alice, b"a" * 1000)
    uploaded(alice, b"b" * 1000)
    refused(upload(alice, b"c" * 501), 403, "M_FORBIDDEN")
    refused(upload(alice, iter([b"c" * 300, b"c" * 300])), 403, "M_FORBIDDEN")
    uploaded(alice, b"c" * 500)
    refused(upload(alice, b"d"), 403, "M_FORBIDDEN")
    uploaded(bob, b"a" * 1000)
    assert len(blobs(small_server)) == 3
    assert arriving(small_server) == []


def test_equal_files_are_kept_once(fresh_server: Running) -> None:
    alice, bob = fresh_server.register("alice"), fresh_server.register("bob")
    content = b"passed on from phone to phone"
    addresses = [uploaded(alice, content, "text/plain"), uploaded(bob, content, "text/csv", filename="b")]
    assert len(set(addresses)) == 2
    assert blobs(fresh_server) == {hashlib.sha256(content).hexdigest()}
    answers = [download(alice, address) for address in addresses]
    assert [answer.content for answer in answers] == [content, content]
    assert [answer.headers["Content-Type"] for answer in answers] == ["text/plain", "text/csv"]


def test_equal_files_uploaded_at_the_same_time_are_all_there(fresh_server: Running) -> None:
    people = [fresh_server.register() for _ in range(4)]
    content, addresses = bytes(100_000), []

    def send(who: Person) -> None:
        addresses.extend([uploaded(who, content) for _ in range(5)])

    threads = [threading.Thread(target=send, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(addresses) == 20
    assert all(download(people[0], address).content == content for address in addresses)
    assert arriving(fresh_server) == []


def test_an_upload_that_breaks_off_leaves_nothing(fresh_server: Running) -> None:
    alice = fresh_server.register("alice")

    def broken() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise RuntimeError("the battery is empty")

    with pytest.raises(RuntimeError):
        upload(alice, broken())
    uploaded(alice, b"another one")
    assert len(blobs(fresh_server)) == 1
    wait_for(fresh_server, lambda: arriving(fresh_server) == [])


def test_suspended_people_look_but_do_not_upload(server: Running, alice: Person, bob: Person) -> None:
    address = uploaded(alice, b"x")
    server.run(server.server.services.accounts.set_suspended(alice.user_id, True))
    try:
        refused(upload(alice, b"y"), 403, "M_USER_SUSPENDED")
        refused(alice.request("POST", CREATE), 403, "M_USER_SUSPENDED")
        assert download(alice, address).status_code == 200
    finally:
        server.run(server.server.services.accounts.set_suspended(alice.user_id, False))


def test_files_survive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        alice = server.register("alice")
        address = uploaded(alice, b"still here", filename=NAME)
        leftover = tmp_path / "media" / "arriving" / "arriving.broken"
        leftover.write_bytes(b"half of someth")
    unwanted = hashlib.sha256(b"unwanted").hexdigest()
    (tmp_path / "media" / "arriving" / unwanted).touch()
    blob = tmp_path / "media" / unwanted[:2] / unwanted
    blob.parent.mkdir(exist_ok=True)
    blob.write_bytes(b"unwanted")
    with running(tmp_path) as server:
        alice = server.log_in(alice)
        assert download(alice, address).content == b"still here"
        assert arriving(server) == []
        assert len(blobs(server)) == 1


def test_files_of_erased_people_are_deleted_unless_others_have_them_too(fresh_server: Running) -> None:
    alice, bob = fresh_server.register("alice"), fresh_server.register("bob")
    own, shared = uploaded(alice, b"my own"), uploaded(alice, b"shared")
    reserved = answered(alice.http.post(CREATE))["content_uri"].removeprefix("mxc://")
    theirs = uploaded(bob, b"shared")
    identifier = {"type": "m.id.user", "user": alice.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    alice.post("/account/deactivate", {"erase": True, "auth": auth})
    own_rows = ("SELECT 1 FROM media WHERE user_id = ?", (alice.user_id,))
    wait_for(fresh_server, lambda: fresh_server.server.store.database.get(*own_rows) is None)
    refused(download(bob, reserved), 404, "M_NOT_FOUND")
    wait_for(fresh_server, lambda: arriving(fresh_server) == [] and len(blobs(fresh_server)) == 1)
    refused(download(bob, own), 404, "M_NOT_FOUND")
    refused(download(bob, shared), 404, "M_NOT_FOUND")
    assert download(bob, theirs).content == b"shared"
