"""Files while they arrive, and notes of what is being done with them, in a folder that is empty at rest."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from hamrasan.protocol.errors import MatrixError, too_large, unavailable
from hamrasan.runtime.log import get_logger

_log = get_logger(__name__)
T = TypeVar("T")

THREADS = 2
"""Threads that hash and write: as many as the smallest machine has cores."""
PIECE_BYTES = 512 * 1024
"""Gathered before a thread is given something to do; what an upload holds in memory besides what is in the socket."""
FOLDER_MODE = 0o750
FILE_MODE = 0o640

_MARK = re.compile(r"[0-9a-f]{64}")


def is_marked(folder: Path, key: str) -> bool:
    """Return whether a blob may be there without being wanted, by the notes of a spool in `folder`."""
    return bool(_MARK.fullmatch(key)) and (folder / key).exists()


class ArrivedFile:
    """A file that has arrived: durable, but nobody knows of it yet."""

    __slots__ = ("hash", "path", "size")

    def __init__(self, path: Path, size: int, hash: bytes) -> None:
        self.path = path
        self.size = size
        self.hash = hash
        """SHA-256 of the bytes."""

    @property
    def key(self) -> str:
        """Return the key of its blob."""
        return self.hash.hex()


class Spool:
    """Takes in files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="uploads")

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=True)

    def open(self) -> list[str]:
        """Make the folder, throw away files that never arrived, and return the marks that are left."""
        self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        marks = []
        for entry in self._folder.iterdir():
            if _MARK.fullmatch(entry.name):
                marks.append(entry.name)
            else:
                entry.unlink()
        return marks

    async def receive(self, chunks: AsyncIterator[bytes], limit: int) -> ArrivedFile:
        """Write a file as it arrives and sync it to disk; whoever gets it moves it away, or calls `drop`.

        Raises `M_TOO_LARGE` beyond `limit` bytes, `M_UNKNOWN` if the client goes away or the disk takes no more.
        """
        try:
            file, name = await self._run(self._make)
        except OSError as error:
            raise _cannot_store(error) from error
        path, digest, size = Path(name), hashlib.sha256(), 0

        def write(pieces: list[bytes]) -> None:
            for piece in pieces:
                digest.update(piece)
                _write_all(file, piece)

        try:
            pieces: list[bytes] = []
            gathered = 0
            async for chunk in chunks:
                pieces.append(chunk)
                gathered += len(chunk)
                size += len(chunk)
                if size > limit:
                    raise too_large(f"A file may have at most {limit} bytes here.")
                if gathered >= PIECE_BYTES:
                    await self._run(partial(write, pieces))
                    pieces, gathered = [], 0

            def finish() -> None:
                write(pieces)
                os.fsync(file)

            await self._run(finish)
        except BaseException as error:
            await self._unlink(path)
            if isinstance(error, ConnectionResetError):
                raise MatrixError(400, "M_UNKNOWN", "The upload was broken off.") from error
            if isinstance(error, OSError):
                raise _cannot_store(error) from error
            raise
        finally:
            os.close(file)
        return ArrivedFile(path, size, digest.digest())

    def _make(self) -> tuple[int, str]:
        file, name = tempfile.mkstemp(prefix="arriving.", dir=self._folder)
        os.fchmod(file, FILE_MODE)
        return file, name

    async def make_scratch(self) -> Path:
        """Make an empty file that somebody else writes to; whoever gets it moves it away, or calls `drop_scratch`."""
        file, name = await self._run(self._make)
        os.close(file)
        return Path(name)

    async def drop_scratch(self, path: Path) -> None:
        """Throw a file away, if it was not moved."""
        await self._unlink(path)

    async def drop(self, file: ArrivedFile) -> None:
        """Throw a file away, if it was not moved."""
        await self._unlink(file.path)

    async def mark(self, key: str) -> None:
        """Note that a blob may be there without being wanted, until `unmark`; the note is found after a crash."""
        await self._run((self._folder / key).touch)

    async def unmark(self, key: str) -> None:
        """Take a note back."""
        await self._unlink(self._folder / key)

    async def _unlink(self, path: Path) -> None:
        try:
            await self._run(partial(path.unlink, missing_ok=True))
        except OSError as error:
            _log.warning("a temporary file could not be deleted", exc_info=error)

    async def _run(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread, and wait for its end in every case: it uses a file that is closed afterwards."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


def _write_all(file: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(file, view) :]


def _cannot_store(error: OSError) -> MatrixError:
    return unavailable(
        f"The server could not store this file ({error.strerror or error}); please try again later."
    )
