"""Blobs as files in a folder of this machine."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from hamrasan.storage.ports.blobs import BlobMissing

T = TypeVar("T")

THREADS = 4
"""Threads that wait for the disk: as many reads as a usual disk answers side by side."""
PIECE_BYTES = 256 * 1024
"""Read and sent at once: few system calls, and little in memory for each of many slow downloads."""
FOLDER_MODE = 0o750
FILE_MODE = 0o640
"""A front proxy in the group may read (setting `media_accel`); nobody else may."""
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
"""Linux only; elsewhere every read goes to a thread."""
_NOT_CACHED = frozenset({errno.EAGAIN, errno.EOPNOTSUPP})


class BlobFolder:
    """Keeps blobs in files named by their keys, in 256 folders by the first two letters of these."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")

    def close(self) -> None:
        """Let go of what the store holds."""
        self._threads.shutdown(wait=True)

    def path(self, key: str) -> Path:
        """Return the file of a blob, whether there is one or not."""
        return self._folder / self.place(key)

    def place(self, key: str) -> str:
        """Return the file of a blob as seen from the folder."""
        return f"{key[:2]}/{key}"

    async def put(self, key: str, file: Path) -> None:
        """Move `file`, which was synced to disk, to its place. Raises `OSError`."""
        await self._run(lambda: self._put(self.path(key), file))

    def _put(self, target: Path, file: Path) -> None:
        if not target.parent.is_dir():
            target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            sync_folder(self._folder)
        os.replace(file, target)
        sync_folder(target.parent)

    async def read(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Return the bytes of a part of a blob, in pieces. Raises `BlobMissing` and `OSError`."""
        file = await self._run(lambda: self._open(key))
        return self._pieces(file, start, start + length)

    def _open(self, key: str) -> int:
        try:
            return os.open(self.path(key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissing(key) from None

    async def _pieces(self, file: int, position: int, end: int) -> AsyncIterator[bytes]:
        try:
            while position < end:
                size = min(PIECE_BYTES, end - position)
                piece = _read_cached(file, size, position) or await self._read(file, size, position)
                if not piece:
                    raise OSError(errno.EIO, "a blob is shorter than it should be")
                position += len(piece)
                yield piece
        finally:
            os.close(file)

    async def _read(self, file: int, size: int, position: int) -> bytes:
        """Read in a thread what the disk has to be asked for; the file stays open until that is done."""
        reading = asyncio.ensure_future(self._run(lambda: os.pread(file, size, position)))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait([reading])
            raise

    async def link(self, _key: str) -> str | None:
        """Return None: files have no addresses of their own."""
        return None

    async def delete(self, key: str) -> None:
        """Delete a blob. Raises `OSError`."""
        await self._run(lambda: self._delete(self.path(key)))

    def _delete(self, target: Path) -> None:
        with suppress(FileNotFoundError):
            target.unlink()
            sync_folder(target.parent)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _read_cached(file: int, size: int, position: int) -> bytes:
    """Return a part that the system has in memory, without waiting for the disk; nothing if that cannot be told.

    Its last byte is asked for as a sample. To read the whole of it that way would need a buffer, and so one copy more.
    """
    if _NOWAIT is None:
        return b""
    try:
        if not os.preadv(file, [bytearray(1)], position + size - 1, _NOWAIT):
            return b""
    except OSError as error:
        if error.errno in _NOT_CACHED:
            return b""
        raise
    return os.pread(file, size, position)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable. Raises `OSError`."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
