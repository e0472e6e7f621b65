"""Previews of pages that people link to (client-server API, "Get information about a URL for a client")."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

import orjson

from hamrasan.media.places import Places
from hamrasan.media.refusals import Refused
from hamrasan.media.repository import MediaRepository
from hamrasan.media.workers import Workers
from hamrasan.protocol.errors import MatrixError, forbidden, invalid_param, not_found
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.outbound import Outbound, OutboundAnswer, OutboundFailed
from hamrasan.runtime.shared_work import SharedWork
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.media import DeleteUrlPreview, MediaReader, PutUrlPreview

MAX_URL_CHARS = 2_048
"""What browsers and search engines keep of an address."""
MAX_REDIRECTS = 5
"""From http to https, to a name with www, to a language, past a shortener: real chains have three."""
TIMEOUT_S = 10.0
"""For each request: nobody looks at a message for longer and still waits for its preview."""
MAX_PAGE_BYTES = 3 * 1024 * 1024
"""Of a page; heavy ones of shops have two megabytes."""
MAX_PICTURE_BYTES = 8 * 1024 * 1024
"""Of the picture of a page, which is held in memory while it arrives."""
AT_ONCE = 8
"""Pages looked at side by side; times the limits above, that is what they may hold in memory."""
MAX_WAITING = 64
"""Who wait for that; people who scroll through a room of links."""
RETRY_MS = 2_000
FRESH_MS = 60 * 60 * 1000
"""How long a preview is given out without looking again."""
KEPT_MS = 7 * 24 * 60 * 60 * 1000
"""How long one that nobody asks for is kept after that, with its picture."""
SWEEP_S = 60 * 60
SWEEP_PAGE = 100
_PAGES = ("text/html", "application/xhtml+xml")
_REDIRECTS = (301, 302, 303, 307, 308)


class _Picture(NamedTuple):
    """The picture of a page, as a file of this server."""

    media_id: str
    content_type: str
    width: int
    height: int
    size: int


class UrlPreviews:
    """Looks at pages for people."""

    def __init__(
        self,
        journal: Journal,
        reader: MediaReader,
        repository: MediaRepository,
        workers: Workers,
        outbound: Outbound,
        clock: Clock,
        server_name: str,
        enabled: bool,
    ) -> None:
        """`enabled` is the setting `url_previews`."""
        self._journal = journal
        self._reader = reader
        self._repository = repository
        self._workers = workers
        self._outbound = outbound
        self._clock = clock
        self._server_name = server_name
        self._enabled = enabled
        self._work = SharedWork[PutUrlPreview]()
        self._places = Places(AT_ONCE, MAX_WAITING, RETRY_MS)

    async def preview(self, url: str) -> bytes:
        """Return what a page says about itself, as JSON.

        Raises `M_FORBIDDEN` if this server makes no previews, `M_INVALID_PARAM` for what is no address of a page,
        `M_LIMIT_EXCEEDED` if too many pages are being looked at, and `M_NOT_FOUND` if there is none to be had: whether
        nobody answers there or the address is not public is not told, since that would be a map of inner networks.
        """
        if not self._enabled:
            raise forbidden("This server makes no previews of pages.")
        url = _checked(url)
        known = await self._reader.url_preview(url)
        if known is None or known.expires_ms <= self._clock.now_ms():
            known = await self._work.do(url, partial(self._look_in_turn, url))
        return known.body

    async def close(self) -> None:
        """Give up what is being looked at."""
        await self._work.close()

    async def _look_in_turn(self, url: str) -> PutUrlPreview:
        async with self._places.one():
            return await self._look(url, await self._reader.url_preview(url))

    async def _look(self, url: str, before: PutUrlPreview | None) -> PutUrlPreview:
        """Fetch a page, its picture, and note what they say."""
        place, answer = await self._fetch(url, MAX_PAGE_BYTES)
        content_type, charset = _type_of(answer)
        properties: dict[str, Any] = {}
        picture: _Picture | None = None
        if content_type in _PAGES:
            properties.update(await self._describe(answer.body, charset))
            source = properties.pop("og:image", None)
            for name in [name for name in properties if name.startswith("og:image")]:
                del properties[name]  # they are about the picture at its own address
            if source is not None:
                picture = await self._fetch_picture(urljoin(place, source))
        elif content_type.startswith("image/"):
            picture = await self._store_picture(answer.body)
        if picture is not None:
            properties |= {
                "og:image": f"mxc://{self._server_name}/{picture.media_id}",
                "og:image:type": picture.content_type,
                "og:image:width": picture.width,
                "og:image:height": picture.height,
                "matrix:image:size": picture.size,
            }
        row = PutUrlPreview(
            url,
            orjson.dumps(properties),
            None if picture is None else picture.media_id,
            self._clock.now_ms() + FRESH_MS,
        )
        await self._journal.submit(Batch([row]))
        if before is not None:
            await self._delete_picture(before)
        return row

    async def _fetch(self, url: str, max_bytes: int) -> tuple[str, OutboundAnswer]:
        """Return where redirects lead, and what is there. Raises `M_NOT_FOUND`."""
        for _ in range(MAX_REDIRECTS + 1):
            try:
                answer = await self._outbound.send("GET", url, timeout_s=TIMEOUT_S, max_bytes=max_bytes)
            except OutboundFailed:
                raise _nothing_there() from None
            if answer.status == 200 and answer.headers.get("content-encoding", "identity") == "identity":
                return url, answer
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                raise _nothing_there()
            try:
                url = _checked(urljoin(url, answer.headers["location"]))
            except (MatrixError, ValueError):
                raise _nothing_there() from None
        raise _nothing_there()

    async def _describe(self, page: bytes, charset: str | None) -> dict[str, str]:
        async with self._repository.written(page) as file:
            try:
                return await self._workers.describe_page(file, charset)
            except Refused:
                return {}

    async def _fetch_picture(self, url: str) -> _Picture | None:
        """Return the picture at an address; None if there is none that can be shown."""
        try:
            _, answer = await self._fetch(_checked(url), MAX_PICTURE_BYTES)
        except MatrixError:
            return None
        return await self._store_picture(answer.body)

    async def _store_picture(self, content: bytes) -> _Picture | None:
        async with self._repository.written(content) as file:
            try:
                content_type, width, height = await self._workers.examine_picture(file)
            except Refused:
                return None
        media_id = await self._repository.adopt(content, content_type)
        return _Picture(media_id, content_type, width, height, len(content))

    async def _delete_picture(self, preview: PutUrlPreview) -> None:
        if preview.media_id is not None:
            media = await self._reader.media(self._server_name, preview.media_id)
            if media is not None:
                await self._repository.delete(media)

    async def sweep(self) -> None:
        """Delete the previews that nobody has asked for in a while, with their pictures."""
        before_ms = self._clock.now_ms() - KEPT_MS
        while old := await self._reader.old_url_previews(before_ms, SWEEP_PAGE):
            for preview in old:
                await self._journal.submit(Batch([DeleteUrlPreview(preview.url)]))
                await self._delete_picture(preview)

    async def keep_sweeping(self) -> None:
        """Sweep now and then; runs until it is cancelled."""
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_S)


def _checked(url: str) -> str:
    """Return the address of a page without its fragment; raises `M_INVALID_PARAM` for what is none."""
    text = urldefrag(url.strip()).url
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise invalid_param("The parameter 'url' is no address of a page.") from None
    if parts.scheme not in ("http", "https") or not host or len(text) > MAX_URL_CHARS:
        raise invalid_param(
            f"Pages have addresses with http or https and at most {MAX_URL_CHARS} characters."
        )
    if parts.username is not None or parts.password is not None:
        raise invalid_param("The address of a page names no user and no password.")
    return text


def _type_of(answer: OutboundAnswer) -> tuple[str, str | None]:
    """Return the content type that a server gives, and the charset if it names one."""
    content_type, *parameters = answer.headers.get("content-type", "").split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return content_type.strip().lower(), value.strip(" \t\"'")
    return content_type.strip().lower(), None


def _nothing_there() -> MatrixError:
    return not_found("There is no page at this address that this server can fetch.")
