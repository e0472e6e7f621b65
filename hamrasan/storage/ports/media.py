"""What is kept of files that people uploaded (client-server API, "Content repository"); their bytes are blobs."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class NewMedia(NamedTuple):
    """A file, or an id that is reserved for one."""

    server_name: str
    media_id: str
    user_id: str | None
    """Who uploaded it; None for a file of another server."""
    created_ms: int
    expires_ms: int | None
    """When the id is free again if nothing was uploaded; None once something was."""
    hash: bytes | None
    """SHA-256 of the bytes; None as long as there are none."""
    size: int
    content_type: str
    file_name: str | None


class FillMedia(NamedTuple):
    """A file has arrived for an id that was reserved."""

    hash: bytes
    size: int
    content_type: str
    file_name: str | None
    server_name: str
    media_id: str


class DeleteMedia(NamedTuple):
    """A file is gone. Its blob may belong to others, too."""

    server_name: str
    media_id: str


class DeleteUnfilledMedia(NamedTuple):
    """Ids are free again for which nothing was uploaded in time."""

    now_ms: int


class PutThumbnail(NamedTuple):
    """A thumbnail was made."""

    hash: bytes
    """Of the file that it was made of."""
    variant: str
    content_type: str
    size: int | None
    """None if the file itself is as good."""


class DeleteThumbnails(NamedTuple):
    """The thumbnails of a file are gone."""

    hash: bytes


class PutUrlPreview(NamedTuple):
    """What is known of a page; replaces what was known before."""

    url: str
    body: bytes
    """JSON, as clients get it."""
    media_id: str | None
    """Of the picture in it, which is a file of this server."""
    expires_ms: int
    """Until when it is good enough not to look again."""


class DeleteUrlPreview(NamedTuple):
    """Nothing is known of a page any more."""

    url: str


MediaRow = NewMedia
"""A file as it is stored."""


class KnownBytes(NamedTuple):
    """Bytes that some file has."""

    hash: bytes
    size: int


class MediaReader(Protocol):
    """Reads what is known of files."""

    async def known(self, after: bytes, limit: int) -> list[KnownBytes]:
        """Return what bytes files have, each once, in the order of hashes: at most `limit` after a hash."""

    async def media(self, server_name: str, media_id: str) -> MediaRow | None:
        """Return a file, or the id that is reserved for one."""

    async def used_by(self, user_id: str) -> int:
        """Return the bytes of all files of a user; equal files count each time."""

    async def unfilled_of(self, user_id: str, now_ms: int) -> int:
        """Return how many ids are reserved for a user and not expired."""

    async def is_wanted(self, hash: bytes) -> bool:
        """Return whether any file has these bytes."""

    async def thumbnail(self, hash: bytes, variant: str) -> PutThumbnail | None:
        """Return a thumbnail."""

    async def thumbnails(self, hash: bytes) -> list[PutThumbnail]:
        """Return all thumbnails of a file."""

    async def url_preview(self, url: str) -> PutUrlPreview | None:
        """Return what is known of a page."""

    async def old_url_previews(self, before_ms: int, limit: int) -> list[PutUrlPreview]:
        """Return at most `limit` previews that expired before a time."""

    async def remote_before(self, own: str, before_ms: int, limit: int) -> list[MediaRow]:
        """Return at most `limit` files of other servers than `own` that were fetched before a time."""

    async def of_user(self, user_id: str, limit: int) -> list[MediaRow]:
        """Return at most `limit` files and reserved ids of a user."""
