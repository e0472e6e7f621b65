"""Checking the files that are stored: every file that somebody has is there, and nothing else takes up space.

Both sides are read in the order of their keys and compared as they come, so it costs no memory however many files there
are. A server may be at work: what is found wrong is looked at again, as it is by then, before it is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from hamrasan.media.thumbnail_sizes import thumbnail_key
from hamrasan.storage.ports.blobs import BlobMissing, Blobs
from hamrasan.storage.ports.media import MediaReader

PAGE = 500
"""Files read at once."""
MAX_PROBLEMS = 100
"""Problems that are told; a broken store has either few or all of them."""
HASH_LETTERS = 64
LOOKS = 2
"""Times that a blob without a file is looked at again: a server puts it there before it knows the file, and takes it
away after it has forgotten it, with a note beside it all the while."""

FoundInFiles = Literal[
    "found.file_content",
    "found.file_missing",
    "found.file_size",
    "found.file_stray",
    "found.files_unreadable",
]
"""What can be wrong with files; the texts are those of the command line."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Something that is not as it should be."""

    key: str
    """Of the blob: the hash of the bytes, for a thumbnail with its kind after it."""
    what: FoundInFiles
    values: Mapping[str, object]
    """What the text of `what` names."""


@dataclass(slots=True)
class VerifiedFiles:
    """How much was looked at, and what was found."""

    files: int = 0
    problems: list[FileProblem] = field(default_factory=list)

    def found(self, key: str, what: FoundInFiles, **values: object) -> None:
        """Note a problem."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(FileProblem(key, what, values))


async def verify_files(
    known: MediaReader, now: MediaReader, blobs: Blobs, is_marked: Callable[[str], bool], *, contents: bool
) -> VerifiedFiles:
    """Compare what is known of files with the blobs; with `contents` also read every file.

    `known` is as of one moment, `now` sees what has changed since; `is_marked` says for a key whether its blob is
    just coming or going.
    """
    return await _Comparison(known, now, blobs, is_marked, contents).run()


class _Comparison:
    """One walk through both sides."""

    def __init__(
        self,
        known: MediaReader,
        now: MediaReader,
        blobs: Blobs,
        is_marked: Callable[[str], bool],
        contents: bool,
    ) -> None:
        self._known = known
        self._now = now
        self._blobs = blobs
        self._is_marked = is_marked
        self._contents = contents
        self._result = VerifiedFiles()

    async def run(self) -> VerifiedFiles:
        try:
            await self._walk()
        except OSError as error:
            self._result.found("", "found.files_unreadable", reason=error)
        return self._result

    async def _walk(self) -> None:
        blobs = aiter(self._blobs.all())
        blob = await anext(blobs, None)
        async for key, size in self._wanted():
            self._result.files += 1
            while blob is not None and blob[0] < key:
                await self._stray(blob[0])
                blob = await anext(blobs, None)
            if blob is None or blob[0] != key:
                await self._missing(key)
                continue
            if blob[1] != size:
                self._result.found(key, "found.file_size", size=blob[1], expected=size)
            elif self._contents and len(key) == HASH_LETTERS:
                await self._read(key, size)
            blob = await anext(blobs, None)
        while blob is not None:
            await self._stray(blob[0])
            blob = await anext(blobs, None)

    async def _wanted(self) -> AsyncIterator[tuple[str, int]]:
        """Return key and size of each blob that should be there, in the order of keys."""
        after = b""
        while page := await self._known.known(after, PAGE):
            for hash, size in page:
                yield hash.hex(), size
                for thumbnail in sorted(await self._known.thumbnails(hash), key=lambda row: row.variant):
                    if thumbnail.size is not None:
                        yield thumbnail_key(hash, thumbnail.variant), thumbnail.size
            after = page[-1].hash

    async def _missing(self, key: str) -> None:
        """Tell of a blob that is not there, unless it has come, or is not wanted any more."""
        hash = bytes.fromhex(key[:HASH_LETTERS])
        if not await self._now.is_wanted(hash) or await self._is_there(key):
            return
        variant = key[HASH_LETTERS + 1 :]
        if variant and await self._now.thumbnail(hash, variant) is None:
            return
        self._result.found(key, "found.file_missing")

    async def _stray(self, key: str) -> None:
        """Tell of a blob that nobody wants; a thumbnail beside a file that is wanted is made anew at the next wish."""
        for _ in range(LOOKS):
            if self._is_marked(key[:HASH_LETTERS]) or await self._is_wanted(key[:HASH_LETTERS]):
                return
            if not await self._is_there(key):
                return
        self._result.found(key, "found.file_stray")

    async def _is_wanted(self, name: str) -> bool:
        try:
            return await self._now.is_wanted(bytes.fromhex(name))
        except ValueError:
            return False

    async def _is_there(self, key: str) -> bool:
        try:
            await _close(await self._blobs.read(key, 0, 0))
        except BlobMissing:
            return False
        return True

    async def _read(self, key: str, size: int) -> None:
        digest = hashlib.sha256()
        try:
            pieces = await self._blobs.read(key, 0, size)
        except BlobMissing:
            await self._missing(key)
            return
        try:
            async for piece in pieces:
                digest.update(piece)
        finally:
            await _close(pieces)
        if digest.hexdigest() != key:
            self._result.found(key, "found.file_content")


async def _close(pieces: AsyncIterator[bytes]) -> None:
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()
