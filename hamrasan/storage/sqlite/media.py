"""Files on SQLite: statements of the writes, and the reader of `hamrasan.storage.ports.media`."""

from __future__ import annotations

from hamrasan.storage.ports import media as port
from hamrasan.storage.ports.media import KnownBytes, MediaRow, PutThumbnail, PutUrlPreview
from hamrasan.storage.sqlite.database import Database

STATEMENTS: dict[type, str | tuple[str, ...]] = {
    port.NewMedia: "INSERT INTO media VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    port.FillMedia: (
        "UPDATE media SET hash = ?, size = ?, content_type = ?, file_name = ?, expires_ms = NULL"
        " WHERE server_name = ? AND media_id = ? AND hash IS NULL"
    ),
    port.DeleteMedia: "DELETE FROM media WHERE server_name = ? AND media_id = ?",
    port.PutThumbnail: (
        "INSERT INTO thumbnails VALUES (?, ?, ?, ?)"
        " ON CONFLICT (hash, variant) DO UPDATE SET content_type = excluded.content_type, size = excluded.size"
    ),
    port.DeleteThumbnails: "DELETE FROM thumbnails WHERE hash = ?",
    port.PutUrlPreview: (
        "INSERT INTO url_previews VALUES (?, ?, ?, ?) ON CONFLICT (url) DO UPDATE SET"
        " body = excluded.body, media_id = excluded.media_id, expires_ms = excluded.expires_ms"
    ),
    port.DeleteUrlPreview: "DELETE FROM url_previews WHERE url = ?",
    port.DeleteUnfilledMedia: "DELETE FROM media WHERE expires_ms IS NOT NULL AND expires_ms <= ?",
}

_ROW = "SELECT server_name, media_id, user_id, created_ms, expires_ms, hash, size, content_type, file_name FROM media"

_THUMBNAIL = "SELECT hash, variant, content_type, size FROM thumbnails WHERE hash = ?"

_PREVIEW = "SELECT url, body, media_id, expires_ms FROM url_previews"


class SqliteMedia:
    """Reads what is known of files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, after: bytes, limit: int) -> list[KnownBytes]:
        """Return what bytes files have, each once, in the order of hashes."""
        sql = "SELECT hash, max(size) FROM media WHERE hash > ? GROUP BY hash ORDER BY hash LIMIT ?"
        return await self._database.scan(sql, (after, limit), KnownBytes._make)

    async def media(self, server_name: str, media_id: str) -> MediaRow | None:
        """Return a file, or the id that is reserved for one."""
        row = self._database.get(_ROW + " WHERE server_name = ? AND media_id = ?", (server_name, media_id))
        return None if row is None else MediaRow._make(row)

    async def used_by(self, user_id: str) -> int:
        """Return the bytes of all files of a user; equal files count each time."""
        sql = "SELECT coalesce(sum(size), 0) FROM media WHERE user_id = ?"
        return int((await self._database.scan(sql, (user_id,)))[0][0])

    async def unfilled_of(self, user_id: str, now_ms: int) -> int:
        """Return how many ids are reserved for a user and not expired."""
        sql = "SELECT count(*) FROM media WHERE user_id = ? AND expires_ms IS NOT NULL AND expires_ms > ?"
        row = self._database.get(sql, (user_id, now_ms))
        return 0 if row is None else int(row[0])

    async def is_wanted(self, hash: bytes) -> bool:
        """Return whether any file has these bytes."""
        return self._database.get("SELECT 1 FROM media WHERE hash = ? LIMIT 1", (hash,)) is not None

    async def thumbnail(self, hash: bytes, variant: str) -> PutThumbnail | None:
        """Return a thumbnail."""
        row = self._database.get(_THUMBNAIL + " AND variant = ?", (hash, variant))
        return None if row is None else PutThumbnail._make(row)

    async def thumbnails(self, hash: bytes) -> list[PutThumbnail]:
        """Return all thumbnails of a file."""
        return [PutThumbnail._make(row) for row in self._database.rows(_THUMBNAIL, (hash,))]

    async def url_preview(self, url: str) -> PutUrlPreview | None:
        """Return what is known of a page."""
        row = self._database.get(_PREVIEW + " WHERE url = ?", (url,))
        return None if row is None else PutUrlPreview._make(row)

    async def old_url_previews(self, before_ms: int, limit: int) -> list[PutUrlPreview]:
        """Return at most `limit` previews that expired before a time."""
        sql = _PREVIEW + " WHERE expires_ms < ? ORDER BY expires_ms LIMIT ?"
        return [PutUrlPreview._make(row) for row in self._database.rows(sql, (before_ms, limit))]

    async def remote_before(self, own: str, before_ms: int, limit: int) -> list[MediaRow]:
        """Return at most `limit` files of other servers than `own` that were fetched before a time."""
        sql = _ROW + " WHERE server_name <> ? AND created_ms < ? LIMIT ?"
        return await self._database.scan(sql, (own, before_ms, limit), MediaRow._make)

    async def of_user(self, user_id: str, limit: int) -> list[MediaRow]:
        """Return at most `limit` files and reserved ids of a user."""
        rows = self._database.rows(_ROW + " WHERE user_id = ? LIMIT ?", (user_id, limit))
        return [MediaRow._make(row) for row in rows]
