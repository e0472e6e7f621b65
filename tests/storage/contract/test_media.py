"""What every store must do with files, and with what is known of them."""

from __future__ import annotations

from pathlib import Path

from hamrasan.storage.ports.journal import Batch, Write
from hamrasan.storage.ports.media import DeleteMedia, DeleteUnfilledMedia, FillMedia, MediaRow, NewMedia
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
