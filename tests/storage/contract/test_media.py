"""What every store must do with files, and with what is known of them."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.ports.media import (
    DeleteMedia,
    DeleteThumbnails,
    DeleteUnfilledMedia,
    DeleteUrlPreview,
    FillMedia,
    MediaRow,
    NewMedia,
    PutThumbnail,
    PutUrlPreview,
)
from hamrasan.storage.sqlite.store import Store
from tests.stores import on_store

HERE, ALICE, BOB = "example.org", "@alice:example.org", "@bob:example.org"


async def put(store: Store, *writes: Write) -> None:
    await store.journal.submit(Batch(list(writes)))


def file(media_id: str, user_id: str | None = ALICE, hash: bytes = b"h" * 32, size: int = 10) -> NewMedia:
    return NewMedia(HERE, media_id, user_id, 1_000, None, hash, size, "image/png", "a.png")


def reserved(media_id: str, expires_ms: int, user_id: str = ALICE) -> NewMedia:
    return NewMedia(HERE, media_id, user_id, 1_000, expires_ms, None, 0, "a/b", None)


def test_a_file_is_kept_as_it_was_described(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        assert await store.media.media(HERE, "one") is None
        await put(store, file("one"))
        assert await store.media.media(HERE, "one") == file("one")
        assert await store.media.media("elsewhere.example", "one") is None

    on_store(tmp_path, scenario)


def test_a_reserved_id_is_filled_once(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, reserved("later", 5_000))
        assert await store.media.unfilled_of(ALICE, 4_999) == 1
        assert await store.media.unfilled_of(ALICE, 5_000) == 0
        assert await store.media.unfilled_of(BOB, 0) == 0
        await put(store, FillMedia(b"1" * 32, 7, "text/plain", "x", HERE, "later"))
        await put(store, FillMedia(b"2" * 32, 8, "text/csv", "y", HERE, "later"))
        filled = MediaRow(HERE, "later", ALICE, 1_000, None, b"1" * 32, 7, "text/plain", "x")
        assert await store.media.media(HERE, "later") == filled
        assert await store.media.unfilled_of(ALICE, 0) == 0

    on_store(tmp_path, scenario)


def test_expired_ids_are_deleted_and_nothing_else(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, file("file"), reserved("old", 5_000), reserved("new", 5_001), reserved("used", 1))
        await put(store, FillMedia(b"1" * 32, 7, "text/plain", None, HERE, "used"))
        await put(store, DeleteUnfilledMedia(5_000))
        left = [name for name in ("file", "old", "new", "used") if await store.media.media(HERE, name)]
        assert left == ["file", "new", "used"]

    on_store(tmp_path, scenario)


def test_what_a_user_has_together(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        assert await store.media.used_by(ALICE) == 0
        await put(store, file("1", size=10), file("2", size=20), file("3", BOB, size=40), file("4", None))
        assert await store.media.used_by(ALICE) == 30
        assert await store.media.used_by(BOB) == 40
        assert {row.media_id for row in await store.media.of_user(ALICE, 10)} == {"1", "2"}
        assert len(await store.media.of_user(ALICE, 1)) == 1

    on_store(tmp_path, scenario)


def test_bytes_are_wanted_as_long_as_any_file_has_them(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        await put(store, file("1"), file("2", BOB))
        assert await store.media.is_wanted(b"h" * 32)
        assert not await store.media.is_wanted(b"i" * 32)
        await put(store, DeleteMedia(HERE, "1"))
        assert await store.media.is_wanted(b"h" * 32)
        await put(store, DeleteMedia(HERE, "2"))
        assert not await store.media.is_wanted(b"h" * 32)

    on_store(tmp_path, scenario)


def test_thumbnails_of_a_file(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        hash, other = b"h" * 32, b"o" * 32
        small = PutThumbnail(hash, "96x96-crop", "image/jpeg", 700)
        own = PutThumbnail(hash, "320x240-scale", "image/png", None)
        await put(store, small, own, PutThumbnail(other, "96x96-crop", "image/png", 1))
        assert await store.media.thumbnail(hash, "96x96-crop") == small
        assert await store.media.thumbnail(hash, "320x240-scale") == own
        assert await store.media.thumbnail(hash, "32x32-crop") is None
        assert {row.variant for row in await store.media.thumbnails(hash)} == {"96x96-crop", "320x240-scale"}
        await put(store, small._replace(size=800), DeleteThumbnails(other))
        again = await store.media.thumbnail(hash, "96x96-crop")
        assert again == small._replace(size=800)
        assert await store.media.thumbnails(other) == []

    on_store(tmp_path, scenario)


def test_previews_of_pages(tmp_path: Path) -> None:
    async def scenario(store: Store) -> None:
        first = PutUrlPreview("https://a.example/", b"{}", None, 1_000)
        second = PutUrlPreview("https://b.example/", b'{"a":1}', "picture", 2_000)
        await put(store, first, second)
        assert await store.media.url_preview("https://b.example/") == second
        assert await store.media.url_preview("https://c.example/") is None
        assert await store.media.old_url_previews(1_000, 10) == []
        assert await store.media.old_url_previews(2_001, 10) == [first, second]
        assert await store.media.old_url_previews(2_001, 1) == [first]
        await put(store, first._replace(expires_ms=5_000), DeleteUrlPreview(second.url))
        assert await store.media.url_preview(second.url) is None
        assert await store.media.old_url_previews(9_000, 10) == [first._replace(expires_ms=5_000)]

    on_store(tmp_path, scenario)
