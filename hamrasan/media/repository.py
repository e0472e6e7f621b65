"""The media repository (client-server API, "Content repository"): files of this server's users.

What is done with a blob is done under a lock of its key, so that a file which somebody uploads while the last other one
with the same bytes is being deleted is not deleted with it. Before a blob is touched it is marked; a mark that is left
after a crash says where a blob may be that nobody wants.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from hamrasan.media import limits
from hamrasan.media.description import UNKNOWN_TYPE, check_address, check_file_name
from hamrasan.media.spool import ArrivedFile, Spool
from hamrasan.media.thumbnail_sizes import thumbnail_key
from hamrasan.protocol.errors import (
    MatrixError,
    forbidden,
    limit_exceeded,
    not_found,
    too_large,
    unavailable,
)
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.blobs import BlobMissing, Blobs
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.media import (
    DeleteMedia,
    DeleteThumbnails,
    DeleteUnfilledMedia,
    FillMedia,
    MediaReader,
    MediaRow,
    NewMedia,
    PutThumbnail,
)

_log = get_logger(__name__)

RETRY_MS = 5_000
"""When somebody who uploads too much at once may try again: an upload takes seconds."""
PAGE = 100
"""Files looked up at once when all of a user's are deleted."""


class MediaRepository:
    """Takes in files, and finds them again."""

    def __init__(
        self,
        journal: Journal,
        reader: MediaReader,
        blobs: Blobs,
        spool: Spool,
        clock: Clock,
        entropy: Entropy,
        server_name: str,
        max_bytes: int,
        quota: int | None,
    ) -> None:
        """`max_bytes` of one file; `quota` in bytes of one user's files together, None for no limit."""
        self._journal = journal
        self._reader = reader
        self._blobs = blobs
        self._spool = spool
        self._clock = clock
        self._entropy = entropy
        self._server_name = server_name
        self.max_bytes = max_bytes
        self._quota = quota
        self._locks = KeyedLocks()
        self._uploading: Counter[str] = Counter()
        self._arrivals: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def close(self) -> None:
        """Let go of threads and files; nothing may be asked of the repository afterwards."""
        self._spool.close()
        self._blobs.close()

    async def recover(self) -> None:
        """Clean up what an earlier run of the server left half done; to be called before anything else."""
        for key in self._spool.open():
            async with self._locks(key):
                await self._delete_unwanted(bytes.fromhex(key))

    # Uploading.

    async def upload(
        self,
        user_id: str,
        chunks: AsyncIterator[bytes],
        announced: int | None,
        content_type: str,
        file_name: str | None,
    ) -> str:
        """Store a file for a user; return its `mxc://` URI once it is durable.

        `announced` is the length if the client told it. Raises `M_TOO_LARGE`, `M_FORBIDDEN` over the user's quota,
        `M_LIMIT_EXCEEDED` for too many uploads at once, `M_INVALID_PARAM` for the name, `M_UNKNOWN` (400) for an upload
        that is broken off and (503) if it cannot be stored.
        """
        async with self._received(user_id, chunks, announced, file_name) as file:
            media_id = self._entropy.id(limits.ID_LETTERS)
            write = NewMedia(
                self._server_name,
                media_id,
                user_id,
                self._clock.now_ms(),
                None,
                file.hash,
                file.size,
                content_type,
                file_name,
            )
            await self._store(user_id, file, write)
        return f"mxc://{self._server_name}/{media_id}"

    async def adopt(self, content: bytes, content_type: str) -> str:
        """Store a file that is nobody's, such as the picture of a page; return its id. Raises as `upload` does."""
        file = await self._spool.receive(_one_piece(content), len(content))
        media_id = self._entropy.id(limits.ID_LETTERS)
        now_ms, name = self._clock.now_ms(), self._server_name
        try:
            async with self._locks(file.key):
                await self._keep(
                    file,
                    NewMedia(name, media_id, None, now_ms, None, file.hash, file.size, content_type, None),
                )
        finally:
            await self._spool.drop(file)
        return media_id

    async def reserve(self, user_id: str) -> tuple[str, int]:
        """Reserve an id for a file that comes later; return its `mxc://` URI, and until when (milliseconds).

        Raises `M_LIMIT_EXCEEDED` if the user has too many ids that are waiting for their files.
        """
        async with self._locks(user_id):
            now_ms = self._clock.now_ms()
            if await self._reader.unfilled_of(user_id, now_ms) >= limits.UNFILLED_IDS:
                raise limit_exceeded(RETRY_MS)
            media_id = self._entropy.id(limits.ID_LETTERS)
            until = now_ms + limits.UNFILLED_MS
            name = self._server_name
            await self._journal.submit(
                Batch([NewMedia(name, media_id, user_id, now_ms, until, None, 0, UNKNOWN_TYPE, None)])
            )
        return f"mxc://{name}/{media_id}", until

    async def fill(
        self,
        user_id: str,
        address: tuple[str, str],
        chunks: AsyncIterator[bytes],
        announced: int | None,
        content_type: str,
        file_name: str | None,
    ) -> None:
        """Store a file under an id that the user has reserved: `address` is server name and media id.

        Raises as `upload` does, and `M_NOT_FOUND` for an id that was not reserved or has expired, `M_FORBIDDEN` for
        one that is somebody else's, `M_CANNOT_OVERWRITE_MEDIA` if there is a file already.
        """
        reserved = await self._access_reserved(user_id, address)
        if (reserved.expires_ms or 0) <= self._clock.now_ms():
            raise _unknown_id()
        async with self._received(user_id, chunks, announced, file_name) as file:
            write = FillMedia(file.hash, file.size, content_type, file_name, *address)
            await self._store(user_id, file, write)
        arrival = self._arrivals.get(address[1])
        if arrival is not None:
            arrival.set()

    async def _access_reserved(self, user_id: str, address: tuple[str, str]) -> MediaRow:
        check_address(*address)
        row = await self._reader.media(*address)
        if row is None or address[0] != self._server_name:
            raise _unknown_id()
        if row.user_id != user_id:
            raise forbidden("Somebody else has reserved this address.")
        if row.hash is not None:
            raise MatrixError(409, "M_CANNOT_OVERWRITE_MEDIA", "A file was uploaded to this address already.")
        return row

    @asynccontextmanager
    async def _received(
        self, user_id: str, chunks: AsyncIterator[bytes], announced: int | None, file_name: str | None
    ) -> AsyncIterator[ArrivedFile]:
        """Take in a file that may be stored, as far as that can be told before; it is dropped if it was not."""
        if file_name is not None:
            check_file_name(file_name)
        if announced is not None and announced > self.max_bytes:
            raise too_large(f"A file may have at most {self.max_bytes} bytes here.")
        await self._check_quota(user_id, announced or 0)
        with self._one_more_upload(user_id):
            file = await self._spool.receive(chunks, self.max_bytes)
            try:
                yield file
            finally:
                await self._spool.drop(file)

    @contextmanager
    def _one_more_upload(self, user_id: str) -> Iterator[None]:
        if self._uploading[user_id] >= limits.UPLOADS_AT_ONCE:
            raise limit_exceeded(RETRY_MS)
        self._uploading[user_id] += 1
        try:
            yield
        finally:
            self._uploading[user_id] -= 1
            if not self._uploading[user_id]:
                del self._uploading[user_id]

    async def _check_quota(self, user_id: str, size: int) -> None:
        if self._quota is not None and await self._reader.used_by(user_id) + size > self._quota:
            raise forbidden(f"Your files may have at most {self._quota} bytes together on this server.")

    async def _store(self, user_id: str, file: ArrivedFile, write: NewMedia | FillMedia) -> None:
        """Make a file that has arrived one of the user's."""
        async with self._locks(user_id), self._locks(file.key):
            await self._check_quota(user_id, file.size)
            if isinstance(write, FillMedia):
                await self._access_reserved(user_id, (write.server_name, write.media_id))
            await self._keep(file, write)

    async def _keep(self, file: ArrivedFile, write: NewMedia | FillMedia) -> None:
        """Make the bytes of a file a blob, unless they are one, and commit what is known of it; under its lock."""
        if await self._reader.is_wanted(file.hash):
            await self._journal.submit(Batch([write]))
            return
        await self._spool.mark(file.key)
        await self._put(file.key, file.path)
        await self._journal.submit(Batch([write]))
        await self._spool.unmark(file.key)

    # Downloading.

    async def access(
        self, server_name: str, media_id: str, wait_s: float = limits.DEFAULT_WAIT_S
    ) -> MediaRow:
        """Return a file, waiting up to `wait_s` seconds for one that is still to come.

        Raises `M_INVALID_PARAM` for what is no address, `M_NOT_FOUND`, `M_NOT_YET_UPLOADED` (504).
        """
        check_address(server_name, media_id)
        arrival = self._arrivals.setdefault(media_id, asyncio.Event())
        row = await self._reader.media(server_name, media_id)
        if row is not None and row.hash is None and (row.expires_ms or 0) > self._clock.now_ms():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, limits.MAX_WAIT_S)):
                    await arrival.wait()
            row = await self._reader.media(server_name, media_id)
            if row is not None and row.hash is None:
                raise MatrixError(504, "M_NOT_YET_UPLOADED", "This file has not been uploaded yet.")
        if row is None or row.hash is None:
            raise self._unknown(server_name)
        return row

    async def find(self, server_name: str, media_id: str) -> MediaRow | None:
        """Return a file that is here, None if it is not."""
        row = await self._reader.media(server_name, media_id)
        return None if row is None or row.hash is None else row

    async def keep_remote(
        self,
        address: tuple[str, str],
        chunks: AsyncIterator[bytes],
        content_type: str,
        file_name: str | None,
    ) -> MediaRow:
        """Keep a file of another server; `address` is server name and media id.

        Raises `M_TOO_LARGE`, `M_UNKNOWN` (503), and what `chunks` raises.
        """
        file = await self._spool.receive(chunks, self.max_bytes)
        row = NewMedia(
            *address, None, self._clock.now_ms(), None, file.hash, file.size, content_type, file_name
        )
        try:
            async with self._locks(file.key):
                if await self.find(*address) is None:
                    await self._keep(file, row)
        finally:
            await self._spool.drop(file)
        return row

    def _unknown(self, server_name: str) -> MatrixError:
        if server_name == self._server_name:
            return not_found("There is no such file.")
        return not_found(f"This file of {server_name} is not here.")

    async def read(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Return a part of a blob. Raises `M_NOT_FOUND` if it is lost, `M_UNKNOWN` (503) if it cannot be read."""
        try:
            return await self._blobs.read(key, start, length)
        except BlobMissing as error:
            _log.error("a blob is missing", key=key)
            raise not_found("This file was lost on the server.") from error
        except OSError as error:
            _log.error("a blob could not be read", exc_info=error)
            raise unavailable("The file cannot be read now; please try again later.") from error

    async def link(self, key: str) -> str | None:
        """Return an address of the object store at which anybody gets a blob for some minutes; None without a store.

        Raises `M_UNKNOWN` (503).
        """
        try:
            return await self._blobs.link(key)
        except OSError as error:
            _log.error("no address of a blob could be signed", exc_info=error)
            raise unavailable("The file cannot be read now; please try again later.") from error

    def place(self, key: str) -> str | None:
        """Return where a blob lies in the folder of blobs; None if it is in an object store."""
        path = self._blobs.path(key)
        return None if path is None else f"{path.parent.name}/{path.name}"

    # For thumbnails.

    @asynccontextmanager
    async def on_disk(self, hash: bytes, size: int) -> AsyncIterator[Path]:
        """Have the bytes of a file in a file of this machine. Raises as `read` does."""
        path = self._blobs.path(hash.hex())
        if path is not None:
            yield path
            return
        file = await self._spool.receive(await self.read(hash.hex(), 0, size), size)
        try:
            yield file.path
        finally:
            await self._spool.drop(file)

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """Have an empty file to write to."""
        path = await self._spool.make_scratch()
        try:
            yield path
        finally:
            await self._spool.drop_scratch(path)

    @asynccontextmanager
    async def written(self, content: bytes) -> AsyncIterator[Path]:
        """Have bytes in a file."""
        file = await self._spool.receive(_one_piece(content), len(content))
        try:
            yield file.path
        finally:
            await self._spool.drop(file)

    async def keep_thumbnail(self, row: PutThumbnail, file: Path) -> None:
        """Keep a thumbnail that is in `file`. Raises `M_NOT_FOUND` if what it shows was deleted meanwhile."""
        async with self._locks(row.hash.hex()):
            if not await self._reader.is_wanted(row.hash):
                raise not_found("There is no such file.")
            if row.size is not None:
                await self._put(thumbnail_key(row.hash, row.variant), file)
            await self._journal.submit(Batch([row]))

    async def _put(self, key: str, file: Path) -> None:
        try:
            await self._blobs.put(key, file)
        except OSError as error:
            _log.error("a blob could not be stored", exc_info=error)
            raise unavailable("The server could not store this file; please try again later.") from error

    # Deleting.

    async def delete(self, media: MediaRow) -> None:
        """Delete a file, and its bytes if no other one has the same."""
        write: Write = DeleteMedia(media.server_name, media.media_id)
        if media.hash is None:
            await self._journal.submit(Batch([write]))
            return
        key = media.hash.hex()
        async with self._locks(key):
            await self._spool.mark(key)
            await self._journal.submit(Batch([write]))
            await self._delete_unwanted(media.hash)

    async def _delete_unwanted(self, hash: bytes) -> None:
        """Delete a blob that is marked unless a file has it; under its lock. What cannot be deleted stays marked."""
        key = hash.hex()
        try:
            if not await self._reader.is_wanted(hash):
                for thumbnail in await self._reader.thumbnails(hash):
                    await self._blobs.delete(thumbnail_key(hash, thumbnail.variant))
                await self._journal.submit(Batch([DeleteThumbnails(hash)]))
                await self._blobs.delete(key)
        except OSError as error:
            _log.warning("a blob could not be deleted; the next start tries again", key=key, exc_info=error)
            return
        await self._spool.unmark(key)

    async def forget(self, user_id: str) -> None:
        """Delete all files of a user."""
        while page := await self._reader.of_user(user_id, PAGE):
            for media in page:
                await self.delete(media)

    async def keep_sweeping(self) -> None:
        """Free reserved ids again for which nothing came; runs until it is cancelled.

        Not at once, since an upload that began in time may end a little late.
        """
        while True:
            before_ms = self._clock.now_ms() - limits.SWEEP_S * 1000
            await self._journal.submit(Batch([DeleteUnfilledMedia(before_ms)]))
            await self._forget_remote(self._clock.now_ms() - limits.REMOTE_LIFETIME_MS)
            await asyncio.sleep(limits.SWEEP_S)

    async def _forget_remote(self, before_ms: int) -> None:
        """Delete files of other servers that were fetched long ago: whoever wants one has it fetched again."""
        while page := await self._reader.remote_before(self._server_name, before_ms, PAGE):
            for media in page:
                await self.delete(media)


async def _one_piece(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _unknown_id() -> MatrixError:
    return not_found("This address was not reserved on this server, or not used in time.")
