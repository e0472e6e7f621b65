"""What every store of blobs must do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from hamrasan.storage.blobs.folder import BlobFolder
from hamrasan.storage.blobs.objects import ObjectBlobs
from hamrasan.storage.ports.blobs import BlobMissing, Blobs
from tests.object_store import ObjectStore, object_store

KEY, OTHER = "ab" * 32, "cd" * 32
CONTENT = bytes(range(256)) * 10_000

Scenario = Callable[[Blobs, Path], Awaitable[None]]
Run = Callable[[Scenario], None]


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


@pytest.fixture(params=["folder", "objects"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Return what runs a scenario on an empty store, with a file that holds `CONTENT`."""
    file = tmp_path / "file"
    file.write_bytes(CONTENT)

    bucket = request.getfixturevalue("store").make_bucket() if request.param == "objects" else None

    async def main(scenario: Scenario) -> None:
        blobs: BlobFolder | ObjectBlobs
        if request.param == "folder":
            blobs = BlobFolder(tmp_path / "blobs")
        else:
            assert bucket is not None
            blobs = ObjectBlobs(bucket)
        try:
            await scenario(blobs, file)
        finally:
            blobs.close()

    return lambda scenario: asyncio.run(main(scenario))


def write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


async def read(blobs: Blobs, key: str, start: int = 0, length: int = len(CONTENT)) -> bytes:
    return b"".join([piece async for piece in await blobs.read(key, start, length)])


def test_what_was_put_comes_back_whole_and_in_parts(run: Run) -> None:
    async def scenario(blobs: Blobs, file: Path) -> None:
        await blobs.put(KEY, file)
        assert await read(blobs, KEY) == CONTENT
        assert await read(blobs, KEY, 10, 20) == CONTENT[10:30]
        assert await read(blobs, KEY, 300_000, 1_600_000) == CONTENT[300_000:1_900_000]
        assert await read(blobs, KEY, len(CONTENT) - 1, 1) == CONTENT[-1:]
        assert await read(blobs, KEY, 5, 0) == b""

    run(scenario)


def test_an_empty_blob_is_a_blob(run: Run) -> None:
    async def scenario(blobs: Blobs, file: Path) -> None:
        write(file, b"")
        await blobs.put(KEY, file)
        assert await read(blobs, KEY, 0, 0) == b""

    run(scenario)


def test_a_blob_can_be_replaced(run: Run) -> None:
    async def scenario(blobs: Blobs, file: Path) -> None:
        await blobs.put(KEY, file)
        write(file, b"other")
        await blobs.put(KEY, file)
        assert await read(blobs, KEY, 0, 5) == b"other"

    run(scenario)


def test_what_is_not_there_is_missing_before_anything_is_read(run: Run) -> None:
    async def scenario(blobs: Blobs, file: Path) -> None:
        await blobs.put(KEY, file)
        with pytest.raises(BlobMissing):
            await blobs.read(OTHER, 0, 1)

    run(scenario)


def test_a_deleted_blob_is_missing_and_can_be_deleted_again(run: Run) -> None:
    async def scenario(blobs: Blobs, file: Path) -> None:
        await blobs.put(KEY, file)
        await blobs.delete(KEY)
        await blobs.delete(KEY)
        with pytest.raises(BlobMissing):
            await blobs.read(KEY, 0, 1)

    run(scenario)


def test_a_reader_that_stops_early_leaves_nothing_behind(run: Run) -> None:
    async def scenario(blobs: Blobs, file: Path) -> None:
        await blobs.put(KEY, file)
        pieces = await blobs.read(KEY, 0, len(CONTENT))
        async for piece in pieces:
            assert CONTENT.startswith(piece)
            break
        await pieces.aclose()  # type: ignore[attr-defined]  # iterators of blobs can be closed
        await blobs.delete(KEY)

    run(scenario)


def test_all_are_listed_in_the_order_of_their_keys(run: Run) -> None:
    async def scenario(blobs: Blobs, file: Path) -> None:
        assert [found async for found in blobs.all()] == []
        keys = [OTHER, KEY, f"{KEY}.32x32-crop", "00" * 32, f"{KEY}.96x96-crop"]
        for number, key in enumerate(keys):
            source = file.with_name(f"source {number}")
            write(source, b"x" * number)
            await blobs.put(key, source)
        expected = sorted((key, number) for number, key in enumerate(keys))
        assert [found async for found in blobs.all()] == expected

    run(scenario)
