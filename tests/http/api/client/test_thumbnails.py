"""Thumbnails over HTTP."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest

from tests.media_files import animation, opened, picture, turned
from tests.running import Person, Running, answered, refused, running

UPLOAD = "/_matrix/media/v3/upload"
THUMBNAIL = "/_matrix/client/v1/media/thumbnail"


def uploaded(who: Person, content: bytes, content_type: str = "image/png") -> str:
    answer = who.http.post(UPLOAD, content=content, headers={"Content-Type": content_type})
    uri: str = answered(answer)["content_uri"]
    return uri.removeprefix("mxc://")


def thumbnail(
    who: Person, address: str, width: object = 96, height: object = 96, **query: str
) -> httpx.Response:
    return who.http.get(
        f"{THUMBNAIL}/{address}", params={"width": str(width), "height": str(height), **query}
    )


def blobs(server: Running) -> set[str]:
    return {file.name for file in (server.data_dir / "media").glob("??/*")}


def test_a_thumbnail_is_small_and_harmless(alice: Person, bob: Person) -> None:
    address = uploaded(alice, picture((1000, 500)))
    answer = thumbnail(bob, address, 320, 240, method="scale")
    assert answer.status_code == 200
    assert opened(answer.content).size == (320, 160)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"] == 'inline; filename="thumbnail.jpeg"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"].endswith("immutable")
    again = thumbnail(bob, address, 320, 240, method="scale")
    assert again.content == answer.content
    cached = bob.http.get(
        f"{THUMBNAIL}/{address}",
        params={"width": "320", "height": "240"},
        headers={"If-None-Match": answer.headers["ETag"]},
    )
    assert cached.status_code == 304
    assert opened(thumbnail(bob, address, 64, 64, method="crop").content).size == (96, 96)


def test_thumbnails_are_made_once_and_go_with_their_file(fresh_server: Running) -> None:
    alice = fresh_server.register("alice")
    address = uploaded(alice, picture((1000, 500)))
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: answers.append(thumbnail(alice, address, method="crop").content))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert len(blobs(fresh_server)) == 2
    fresh_server.run(fresh_server.server.services.media.forget(alice.user_id))
    assert blobs(fresh_server) == set()
    refused(thumbnail(alice, address), 404, "M_NOT_FOUND")


def test_thumbnails_survive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        alice = server.register("alice")
        address = uploaded(alice, turned(6), "image/jpeg")
        before = thumbnail(alice, address).content
    with running(tmp_path) as server:
        alice = server.log_in(alice)
        assert thumbnail(alice, address).content == before


def test_a_small_picture_is_sent_as_it_is(alice: Person) -> None:
    content = picture((20, 20), "WEBP")
    answer = thumbnail(alice, uploaded(alice, content, "text/html"))
    assert (answer.content, answer.headers["Content-Type"]) == (content, "image/webp")


def test_animations_move_if_they_are_wanted_to(alice: Person) -> None:
    address = uploaded(alice, animation((800, 600)), "image/gif")
    moving = thumbnail(alice, address, 320, 240, animated="true")
    assert moving.headers["Content-Type"] == "image/webp"
    assert getattr(opened(moving.content), "n_frames", 1) == 4
    for query in ({}, {"animated": "false"}):
        still = thumbnail(alice, address, 320, 240, **query)
        assert still.headers["Content-Type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({"height": "5"}, "M_MISSING_PARAM"),
        ({"width": "5"}, "M_MISSING_PARAM"),
        ({"width": "0", "height": "5"}, "M_INVALID_PARAM"),
        ({"width": "5", "height": "-5"}, "M_INVALID_PARAM"),
        ({"width": "5.5", "height": "5"}, "M_INVALID_PARAM"),
        ({"width": "wide", "height": "5"}, "M_INVALID_PARAM"),
        ({"width": "5", "height": "5", "method": "stretch"}, "M_INVALID_PARAM"),
        ({"width": "5", "height": "5", "animated": "perhaps"}, "M_INVALID_PARAM"),
    ],
)
def test_sizes_that_are_none(alice: Person, query: dict[str, str], errcode: str) -> None:
    address = uploaded(alice, picture())
    refused(alice.http.get(f"{THUMBNAIL}/{address}", params=query), 400, errcode)


def test_there_is_no_thumbnail_of_what_is_no_picture(alice: Person, server: Running) -> None:
    address = uploaded(alice, b"words", "image/png")
    for _ in range(2):
        refused(thumbnail(alice, address), 400, "M_UNKNOWN")
    refused(thumbnail(alice, f"{server.name}/nothing"), 404, "M_NOT_FOUND")
    refused(thumbnail(alice, "elsewhere.example/file"), 502, "M_CONNECTION_FAILED")
    refused(thumbnail(alice, "elsewhere.example/..%2Ffile"), 400, "M_INVALID_PARAM")


def test_a_picture_larger_than_any_is_too_large_and_whatever_size_is_asked_for(alice: Person) -> None:
    address = uploaded(alice, picture((20_000, 5_001), mode="1", colour=0))
    for size in (32, 96, 5_000):
        refused(thumbnail(alice, address, size, size), 413, "M_TOO_LARGE")
    assert opened(thumbnail(alice, uploaded(alice, picture((5_000, 50)))).content).size == (320, 3)
