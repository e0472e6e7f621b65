"""Files in an object store, and files that somebody else sends."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.media_files import opened, picture
from tests.object_store import ObjectStore, object_store
from tests.running import Person, answered, refused, running

UPLOAD = "/_matrix/media/v3/upload"
MEDIA = "/_matrix/client/v1/media"
OLD = "/_matrix/media/v3"
BIG = bytes(range(256)) * 50_000
"""Twelve megabytes: several parts of an upload, and several pieces of a download."""


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


def uploaded(who: Person, content: bytes, content_type: str = "image/png") -> str:
    answer = who.http.post(UPLOAD, content=content, headers={"Content-Type": content_type})
    uri: str = answered(answer)["content_uri"]
    return uri.removeprefix("mxc://")


def download(who: Person, address: str, **headers: str) -> httpx.Response:
    return who.http.get(f"{MEDIA}/download/{address}", headers=headers)


def thumbnail(who: Person, address: str) -> httpx.Response:
    return who.http.get(
        f"{MEDIA}/thumbnail/{address}", params={"width": "96", "height": "96", "method": "crop"}
    )


def test_files_live_in_an_object_store(store: ObjectStore, tmp_path: Path) -> None:
    bucket = store.make_bucket()
    with running(tmp_path, media_store=bucket) as server:
        alice = server.register("alice")
        address = uploaded(alice, BIG)
        assert uploaded(alice, BIG) != address
        assert store.keys(bucket) == ["media/" + hashlib.sha256(BIG).hexdigest()]
        assert download(alice, address).content == BIG
        assert download(alice, address, Range="bytes=5000000-9000000").content == BIG[5_000_000:9_000_001]
        assert list((tmp_path / "media").rglob("*")) == [tmp_path / "media" / "arriving"]
        shown = uploaded(alice, picture((400, 300)))
        assert opened(thumbnail(alice, shown).content).size == (96, 96)
        assert len(store.keys(bucket)) == 3
        server.run(server.server.services.media.forget(alice.user_id))
        assert store.keys(bucket) == []
        refused(download(alice, address), 404, "M_NOT_FOUND")


def test_an_object_store_that_is_away(store: ObjectStore, tmp_path: Path) -> None:
    with running(tmp_path, media_store="s3://nosuchbucket-here") as server:
        alice = server.register("alice")
        # Not through `alice.http`, which takes a 503 for a fault of the server: here it is the store's.
        headers = {"Authorization": f"Bearer {alice.token}"}
        answer = httpx.post(server.url + UPLOAD, content=b"x", headers=headers, timeout=60, trust_env=False)
        refused(answer, 503, "M_UNKNOWN")
        assert alice.http.get("/health").status_code == 200


def test_downloads_are_sent_to_the_object_store(store: ObjectStore, tmp_path: Path) -> None:
    options = {"media_delivery": "redirect", "unauthenticated_media": True}
    with running(tmp_path, media_store=store.make_bucket(), **options) as server:
        alice = server.register("alice")
        address = uploaded(alice, b"<script>", "text/html")
        answer = download(alice, address)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (307, "private, no-store")
        there = httpx.get(answer.headers["Location"], trust_env=False)
        assert (there.status_code, there.content) == (200, b"<script>")
        assert there.headers["Content-Type"] == "application/octet-stream"
        assert there.headers["Content-Disposition"] == "attachment"
        assert thumbnail(alice, uploaded(alice, picture((400, 300)))).status_code == 307
        with server.anonymous() as nobody:
            assert nobody.get(f"{OLD}/download/{address}").content == b"<script>"
            query = {"allow_redirect": "true"}
            assert nobody.get(f"{OLD}/download/{address}", params=query).status_code == 307


def test_a_front_proxy_is_told_which_file_to_send(tmp_path: Path) -> None:
    with running(tmp_path, media_delivery="proxy") as server:
        alice = server.register("alice")
        content = picture((400, 300))
        answer = download(alice, uploaded(alice, content))
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        place = answer.headers["X-Accel-Redirect"].removeprefix("/_hamrasan/media/")
        assert (tmp_path / "media" / place).read_bytes() == content


def test_what_cannot_be_handed_over_is_sent_all_the_same(store: ObjectStore, tmp_path: Path) -> None:
    with running(tmp_path / "folder", media_delivery="redirect") as server:
        alice = server.register("alice")
        assert download(alice, uploaded(alice, b"x")).content == b"x"
    with running(tmp_path / "store", media_delivery="proxy", media_store=store.make_bucket()) as server:
        alice = server.register("alice")
        assert download(alice, uploaded(alice, b"x")).content == b"x"
