"""Reading the two parts in which servers answer with a file, while they come (server-server API, "Content Repository";
RFC 2046, "Multipart Media Type").
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping

MAX_BOUNDARY_CHARS = 70
"""RFC 2046, section 5.1.1."""
MAX_HEADER_BYTES = 16 * 1024
"""Of the headers of one part."""
MAX_METADATA_BYTES = 64 * 1024
"""Of the first part, an object that is empty as of today; and of whatever stands before it."""

_BOUNDARY = re.compile(
    rf'boundary=(?:"([^"\r\n]{{1,{MAX_BOUNDARY_CHARS}}})"|([^\s;"]{{1,{MAX_BOUNDARY_CHARS}}}))', re.IGNORECASE
)


class MultipartError(Exception):
    """The answer is not what it says it is."""


def boundary_of(content_type: str) -> bytes:
    """Return what stands between the parts of an answer of this content type; raises `MultipartError`."""
    match = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/mixed") or match is None:
        raise MultipartError("The answer does not come in parts.")
    return (match[1] or match[2]).encode()


class FileAnswer:
    """The second part of an answer: call `start`, then look at `headers`, then read `body`."""

    def __init__(self, chunks: AsyncIterator[bytes], boundary: bytes) -> None:
        self._chunks = chunks
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # so that the first delimiter, which nothing stands before, is like all others
        self.headers: Mapping[str, str] = {}
        """Of the file, with names in small letters."""

    async def start(self) -> None:
        """Read up to the file itself; raises `MultipartError`."""
        await self._skip(self._delimiter, MAX_METADATA_BYTES)
        await self._skip(b"\r\n\r\n", MAX_HEADER_BYTES)
        self._buffer = b"\r\n" + self._buffer  # the metadata may be nothing at all
        await self._skip(self._delimiter, MAX_METADATA_BYTES)
        self.headers = _headers(await self._skip(b"\r\n\r\n", MAX_HEADER_BYTES))

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the file; raises `MultipartError` if it breaks off."""
        keep = len(self._delimiter) - 1
        while True:
            end = self._buffer.find(self._delimiter)
            if end >= 0:
                yield self._buffer[:end]
                return
            if len(self._buffer) > keep:
                ready, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
                yield ready
            await self._more()

    async def _skip(self, mark: bytes, most: int) -> bytes:
        """Take everything up to a mark and the mark itself; return what stood before it."""
        while (end := self._buffer.find(mark)) < 0:
            if len(self._buffer) > most:
                raise MultipartError("A part of the answer is too long.")
            await self._more()
        before, self._buffer = self._buffer[:end], self._buffer[end + len(mark) :]
        return before

    async def _more(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            raise MultipartError("The answer breaks off.")
        self._buffer += chunk


def _headers(block: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in block.split(b"\r\n"):
        name, separator, value = line.partition(b":")
        if separator:
            found.setdefault(name.strip().decode("latin-1").lower(), value.strip().decode("utf-8", "replace"))
    return found
