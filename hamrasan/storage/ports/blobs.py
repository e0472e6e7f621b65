"""Where the bytes of files are kept, each blob under a key of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol, runtime_checkable


class BlobMissing(Exception):
    """There is no blob of this key."""


@runtime_checkable
class FilePart(Protocol):
    """Part of a blob that is a file of this machine, so that the system can send it. Iterating reads it instead."""

    descriptor: int
    """Of the file, open as long as this is not closed."""
    position: int
    """Where what is left begins."""
    end: int

    async def load(self, size: int) -> None:
        """Have the next `size` bytes in the system's memory, so that sending them does not wait for the disk."""


class Blobs(Protocol):
    """A store of blobs. A key consists of letters, digits, dots and hyphens, and begins with two hexadecimal digits."""

    def close(self) -> None:
        """Let go of what the store holds; it is not used afterwards."""

    async def put(self, key: str, file: Path) -> None:
        """Keep the content of `file`, durably once this returns; `file` may be gone afterwards.

        What was under `key` before is replaced. Raises `OSError` if it cannot be stored.
        """

    async def read(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Return the bytes of a part of a blob, in pieces. Raises `BlobMissing` and `OSError` before the first one.

        The iterator has to be closed (`aclose`) if it is not read to its end.
        """

    async def link(self, key: str) -> str | None:
        """Return an address at which anybody gets a blob, for a few minutes; None if there are no such ones.

        Raises `OSError`.
        """

    def path(self, key: str) -> Path | None:
        """Return the file of a blob on this machine, whether there is one or not; None if blobs are elsewhere."""

    def all(self) -> AsyncIterator[tuple[str, int]]:
        """Return the key and size of each blob, in the order of keys. Raises `OSError`."""

    async def delete(self, key: str) -> None:
        """Delete a blob; one that is not there is no error. Raises `OSError`."""
