"""Blobs in an object store, such as S3 and what speaks like it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store, from_url

from hamrasan.storage.ports.blobs import BlobMissing

PIECE_BYTES = 1024 * 1024
"""Asked for at once: enough that waiting for the store is little of the time, little for each of many downloads."""
PART_BYTES = 5 * 1024 * 1024
"""Of an upload, the least that S3 takes; up to 10,000 of them make a file."""
PARTS_AT_ONCE = 2
"""Of an upload, held in memory; more would not make a usual connection quicker."""
LINK_LIFETIME = timedelta(minutes=5)
"""Of a signed address: whoever is sent there goes at once."""
RETRY_SECONDS = timedelta(seconds=20)
"""How long a request is tried again: a client waits no longer."""
_HARMLESS = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
"""What the store says of every blob to who is sent there: nothing in it is shown or run."""


class ObjectBlobs:
    """Keeps blobs in a bucket, or below a prefix of it."""

    def __init__(self, url: str) -> None:
        """`url` is like `s3://bucket/prefix`; addresses and keys are in the usual variables (`AWS_…`).

        Raises `ValueError` if the store cannot be used like that.
        """
        try:
            store = from_url(url, retry_config={"max_retries": 3, "retry_timeout": RETRY_SECONDS})
        except BaseError as error:
            raise ValueError(str(error)) from error
        if not isinstance(store, S3Store):
            raise ValueError("only s3:// is a store of blobs")
        self._store = store

    def close(self) -> None:
        """Nothing is held."""

    async def put(self, key: str, file: Path) -> None:
        """Copy `file` into the store. Raises `OSError`."""
        try:
            await obstore.put_async(
                self._store,
                key,
                file,
                attributes=_HARMLESS,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        except BaseError as error:
            raise OSError(f"the object store took no blob: {type(error).__name__}") from error

    async def read(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Return the bytes of a part of a blob, in pieces. Raises `BlobMissing` and `OSError`."""
        if not length:
            await self._check(key)
            return self._pieces(key, b"", start, start)
        end = start + length
        first = await self._piece(key, start, end)
        return self._pieces(key, first, start + len(first), end)

    async def _pieces(self, key: str, first: bytes, position: int, end: int) -> AsyncIterator[bytes]:
        yield first
        while position < end:
            piece = await self._piece(key, position, end)
            position += len(piece)
            yield piece

    async def _piece(self, key: str, position: int, end: int) -> bytes:
        length = min(PIECE_BYTES, end - position)
        try:
            piece = bytes(await obstore.get_range_async(self._store, key, start=position, length=length))
        except FileNotFoundError:
            raise BlobMissing(key) from None
        except BaseError as error:
            raise OSError(f"the object store gave no blob: {type(error).__name__}") from error
        if len(piece) != length:
            raise OSError("a blob is shorter than it should be")
        return piece

    async def _check(self, key: str) -> None:
        try:
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            raise BlobMissing(key) from None
        except BaseError as error:
            raise OSError(f"the object store gave no blob: {type(error).__name__}") from error

    async def link(self, key: str) -> str | None:
        """Return an address at which anybody gets a blob, for a few minutes. Raises `OSError`."""
        try:
            return await obstore.sign_async(self._store, "GET", key, LINK_LIFETIME)
        except BaseError as error:
            raise OSError(f"the object store signed no address: {type(error).__name__}") from error

    def path(self, _key: str) -> Path | None:
        """Return None: there is no file of a blob on this machine."""
        return None

    async def all(self) -> AsyncIterator[tuple[str, int]]:
        """Return the key and size of each blob, in the order of keys, which is that of S3. Raises `OSError`."""
        try:
            async for page in obstore.list(self._store):
                for found in page:
                    yield found["path"], found["size"]
        except BaseError as error:
            raise OSError(f"the object store listed no blobs: {type(error).__name__}") from error

    async def delete(self, key: str) -> None:
        """Delete a blob. Raises `OSError`."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise OSError(f"the object store deleted no blob: {type(error).__name__}") from error
