"""Thumbnails (client-server API, "Thumbnails"): made when they are asked for, and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from hamrasan.media.refusals import Refusal, Refused, Size
from hamrasan.media.repository import MediaRepository
from hamrasan.media.thumbnail_sizes import box_for, thumbnail_key, variant_of
from hamrasan.media.workers import Workers
from hamrasan.protocol.errors import MatrixError, not_found, too_large
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.shared_work import SharedWork
from hamrasan.storage.ports.media import MediaReader, MediaRow, PutThumbnail

MAX_SOURCE_BYTES = 64 * 1024 * 1024
"""Of a file that a thumbnail is made of; animations of a minute stay below."""
REMEMBERED_REFUSALS = 10_000
"""Files known to have no thumbnail, so that each costs a worker's time once; 100 bytes each."""


@dataclass(frozen=True, slots=True)
class ReadyThumbnail:
    """A thumbnail that can be sent."""

    key: str
    """Names its bytes; another thumbnail has another one."""
    size: int
    content_type: str


class Thumbnails:
    """Gives thumbnails."""

    def __init__(self, reader: MediaReader, repository: MediaRepository, workers: Workers) -> None:
        self._reader = reader
        self._repository = repository
        self._workers = workers
        self._work = SharedWork[PutThumbnail]()
        self._refused: BoundedCache[bytes, Refusal] = BoundedCache(REMEMBERED_REFUSALS)

    async def close(self) -> None:
        """Give up what is being made."""
        await self._work.close()

    async def access(
        self, media: MediaRow, width: int, height: int, crop: bool, animated: bool
    ) -> ReadyThumbnail:
        """Return a thumbnail at least as large as asked for, as far as the file is.

        Raises `M_TOO_LARGE` for a file that is too large to make one of, `M_UNKNOWN` (400) for one that is no picture,
        `M_LIMIT_EXCEEDED` if too many are being made, `M_NOT_FOUND` if the file is deleted meanwhile.
        """
        assert media.hash is not None
        box = box_for(width, height, crop)
        variant = variant_of(box, crop, animated)
        row = await self._reader.thumbnail(media.hash, variant)
        if row is None:
            making = partial(self._make, media.hash, media.size, variant, box)
            row = await self._work.do(thumbnail_key(media.hash, variant), making)
        if row.size is None:
            return ReadyThumbnail(media.hash.hex(), media.size, row.content_type)
        return ReadyThumbnail(thumbnail_key(media.hash, variant), row.size, row.content_type)

    async def _make(self, hash: bytes, size: int, variant: str, box: Size | None) -> PutThumbnail:
        row = await self._reader.thumbnail(hash, variant)
        if row is not None:
            return row
        refused = self._refused.get(hash)
        if refused is not None:
            raise _refusal(refused)
        if size > MAX_SOURCE_BYTES:
            raise _refusal("too large")
        crop, animated = "-crop" in variant, variant.endswith("-animated")
        try:
            async with self._repository.on_disk(hash, size) as source, self._repository.scratch() as target:
                content_type, made = await self._workers.make_thumbnail(source, target, box, crop, animated)
                row = PutThumbnail(hash, variant, content_type, made)
                await self._repository.keep_thumbnail(row, target)
                return row
        except Refused as error:
            if error.reason != "gone":
                self._refused.put(hash, error.reason)
            raise _refusal(error.reason) from None


def _refusal(reason: Refusal) -> MatrixError:
    match reason:
        case "too large":
            return too_large("This file is too large to make a thumbnail of.")
        case "unreadable":
            return MatrixError(400, "M_UNKNOWN", "No thumbnail can be made of this file.")
        case "gone":
            return not_found("There is no such file.")
