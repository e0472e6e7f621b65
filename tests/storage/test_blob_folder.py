"""Blobs in a folder, beyond what every store of blobs does."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from hamrasan.storage.blobs.folder import BlobFolder

KEY = "ab" * 32


async def read(blobs: BlobFolder, length: int) -> bytes:
    return b"".join([piece async for piece in await blobs.read(KEY, 0, length)])


def test_a_blob_is_a_file_that_only_its_group_may_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = BlobFolder(tmp_path / "blobs")
        file = tmp_path / "file"
        file.write_bytes(b"content")
        await blobs.put(KEY, file)
        assert blobs.path(KEY) == tmp_path / "blobs" / "ab" / KEY
        assert blobs.path(KEY).read_bytes() == b"content"
        assert blobs.path(KEY).parent.stat().st_mode & 0o007 == 0
        blobs.close()

    asyncio.run(scenario())


def test_a_blob_that_was_cut_off_is_an_error_and_no_short_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        blobs = BlobFolder(tmp_path)
        blobs.path(KEY).parent.mkdir()
        blobs.path(KEY).write_bytes(b"short")
        with pytest.raises(OSError, match="shorter"):
            await read(blobs, 10)
        blobs.close()

    asyncio.run(scenario())


def test_what_the_system_has_not_in_memory_is_read_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never_cached(*_arguments: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "not in memory")

    monkeypatch.setattr(os, "preadv", never_cached)

    async def scenario() -> None:
        blobs = BlobFolder(tmp_path)
        blobs.path(KEY).parent.mkdir()
        blobs.path(KEY).write_bytes(bytes(1_000_000))
        assert await read(blobs, 1_000_000) == bytes(1_000_000)
        blobs.close()

    asyncio.run(scenario())
