"""Blobs as files in a folder of this machine."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
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
_FOLDER = re.compile(r"[0-9a-f]{2}")
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
        return _Part(file, start, start + length, self._threads)

    def _open(self, key: str) -> int:
        try:
            return os.open(self.path(key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissing(key) from None

    async def link(self, _key: str) -> str | None:
        """Return None: files have no addresses of their own."""
        return None

    async def all(self) -> AsyncIterator[tuple[str, int]]:
        """Return the key and size of each blob, in the order of keys. Raises `OSError`."""
        for folder in await self._run(lambda: _folders(self._folder)):
            for found in await self._run(partial(_files, folder)):
                yield found

    async def delete(self, key: str) -> None:
        """Delete a blob. Raises `OSError`."""
        await self._run(lambda: self._delete(self.path(key)))

    def _delete(self, target: Path) -> None:
        with suppress(FileNotFoundError):
            target.unlink()
            sync_folder(target.parent)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


class _Part:
    """A part of an open file, as `FilePart` has it."""

    __slots__ = ("_threads", "descriptor", "end", "position")

    def __init__(self, descriptor: int, position: int, end: int, threads: ThreadPoolExecutor) -> None:
        self.descriptor = descriptor
        self.position = position
        self.end = end
        self._threads = threads

    def __aiter__(self) -> _Part:
        return self

    async def __anext__(self) -> bytes:
        size = min(PIECE_BYTES, self.end - self.position)
        if not size:
            raise StopAsyncIteration
        if self._is_cached(size):
            piece = os.pread(self.descriptor, size, self.position)
        else:
            piece = await self._read(size)
        if not piece:
            raise OSError(errno.EIO, "a blob is shorter than it should be")
        self.position += len(piece)
        return piece

    async def load(self, size: int) -> None:
        """Have the next `size` bytes in the system's memory."""
        if not self._is_cached(size):
            await self._read(size)

    async def aclose(self) -> None:
        """Close the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _is_cached(self, size: int) -> bool:
        """Return whether the system has a part in memory, judged by its last byte; False if that cannot be told.

        To read the whole of it that way would need a buffer of our own, and so one copy more.
        """
        if _NOWAIT is None:
            return False
        try:
            return os.preadv(self.descriptor, [bytearray(1)], self.position + size - 1, _NOWAIT) == 1
        except OSError as error:
            if error.errno in _NOT_CACHED:
                return False
            raise

    async def _read(self, size: int) -> bytes:
        """Read in a thread what the disk has to be asked for; the file stays open until that is done."""
        loop = asyncio.get_running_loop()
        reading = loop.run_in_executor(self._threads, os.pread, self.descriptor, size, self.position)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait([reading])
            raise


def _folders(folder: Path) -> list[Path]:
    with suppress(FileNotFoundError):
        return sorted(entry for entry in folder.iterdir() if _FOLDER.fullmatch(entry.name))
    return []


def _files(folder: Path) -> list[tuple[str, int]]:
    """Return the keys in a folder with their sizes; what is deleted meanwhile, or no blob, is left out."""
    found: list[tuple[str, int]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.name.startswith(folder.name) and entry.is_file(follow_symlinks=False):
                    found.append((entry.name, entry.stat().st_size))
    return sorted(found)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable. Raises `OSError`."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
