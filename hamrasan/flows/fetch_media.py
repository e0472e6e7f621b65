"""Files of other servers (server-server API, "Content Repository"): fetched when somebody first asks, then kept."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from urllib.parse import unquote

from hamrasan.federation.client import (
    FederationClient,
    RemoteAnswer,
    RemoteRefused,
    ServerUnreachable,
    path_of,
)
from hamrasan.federation.multipart import FileAnswer, MultipartError, boundary_of
from hamrasan.media.description import check_address, check_file_name, content_type_of
from hamrasan.media.limits import MAX_WAIT_S
from hamrasan.media.repository import MediaRepository
from hamrasan.protocol.errors import MatrixError, not_found
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.outbound import Outbound, OutboundFailed
from hamrasan.runtime.shared_work import SharedWork
from hamrasan.storage.ports.media import MediaRow

TRANSFER_S = 600.0
"""For a whole file of another server; a large one over a slow link takes minutes."""
STALL_S = 20.0
"""Between two pieces of a file."""
MAX_UNDER_WAY = 100
"""Files that are fetched at the same time; each takes room on the disk, and other servers decide how much."""
SURROUNDINGS_BYTES = 256 * 1024
"""Beside the file: what stands before and between the parts."""

_UNSERVED = frozenset({400, 404, 405})
"""With these, a server that does not know the request yet answers it."""
_NAME = re.compile(
    r"filename\*\s*=\s*utf-8''([^\s;]+)|filename\s*=\s*\"([^\"]*)\"|filename\s*=\s*([^\s;\"]+)", re.I
)

_log = get_logger(__name__)


class FetchMedia:
    """Finds files, wherever they are."""

    def __init__(
        self, media: MediaRepository, client: FederationClient, outbound: Outbound, server_name: str
    ) -> None:
        self._media = media
        self._client = client
        self._outbound = outbound
        self._server_name = server_name
        self._fetching: SharedWork[MediaRow] = SharedWork()

    async def access(self, server_name: str, media_id: str, wait_s: float, *, fetch: bool = True) -> MediaRow:
        """Return a file, waiting up to `wait_s` seconds for one that is still to come.

        Raises as `MediaRepository.access`, and `M_NOT_FOUND`, `M_TOO_LARGE`, `ServerUnreachable` for one that another
        server does not give. If not `fetch`, only what is here already is found.
        """
        if server_name == self._server_name or not fetch:
            return await self._media.access(server_name, media_id, wait_s)
        check_address(server_name, media_id)
        found = await self._media.find(server_name, media_id)
        if found is not None:
            return found
        if len(self._fetching) >= MAX_UNDER_WAY:
            raise MatrixError(
                503, "M_UNKNOWN", "Too many files are being fetched; please try again in a moment."
            )
        return await self._fetching.do(
            f"{server_name}/{media_id}", lambda: self._fetch(server_name, media_id, wait_s)
        )

    async def _fetch(self, server_name: str, media_id: str, wait_s: float) -> MediaRow:
        wait_ms = int(min(wait_s, MAX_WAIT_S) * 1000)
        try:
            try:
                return await self._fetch_in_parts(server_name, media_id, wait_ms)
            except RemoteRefused as refusal:
                if refusal.remote_status not in _UNSERVED:
                    raise
                if refusal.remote_errcode != "M_UNRECOGNIZED":
                    raise not_found(f"The server {server_name} does not have this file.") from None
            return await self._fetch_openly(server_name, media_id, wait_ms)
        except (MultipartError, OutboundFailed) as error:
            _log.info("a file could not be fetched", server=server_name, reason=str(error))
            raise ServerUnreachable(server_name, str(error)) from None

    async def _fetch_in_parts(self, server_name: str, media_id: str, wait_ms: int) -> MediaRow:
        path = path_of("/_matrix/federation/v1/media/download/{}", media_id)
        async with self._client.stream(
            server_name, path, query={"timeout_ms": wait_ms}, timeout_s=TRANSFER_S
        ) as answer:
            file = FileAnswer(self._chunks(answer), boundary_of(answer.headers.get("content-type", "")))
            await file.start()
            location = file.headers.get("location")
            if location is None:
                return await self._keep(server_name, media_id, file.body(), file.headers)
        return await self._fetch_from_store(server_name, media_id, location)

    async def _fetch_from_store(self, server_name: str, media_id: str, location: str) -> MediaRow:
        """Fetch a file from where its server says that it is, which knows nothing of who asks."""
        if not location.startswith("https://"):
            raise MultipartError("The file is said to be at an address that cannot be trusted.")
        answer = await self._outbound.open("GET", location, timeout_s=TRANSFER_S, stall_s=STALL_S)
        async with answer:
            if answer.status != 200:
                raise MultipartError(f"Where the file should be, there is the status {answer.status}.")
            chunks = answer.chunks(self._media.max_bytes + SURROUNDINGS_BYTES)
            return await self._keep(server_name, media_id, chunks, answer.headers)

    async def _fetch_openly(self, server_name: str, media_id: str, wait_ms: int) -> MediaRow:
        """Fetch a file from a server that is older than requests for files between servers."""
        path = path_of("/_matrix/media/v3/download/{}/{}", server_name, media_id)
        query: dict[str, str | int | list[str]] = {"allow_remote": "false", "timeout_ms": wait_ms}
        try:
            async with self._client.stream(server_name, path, query=query, timeout_s=TRANSFER_S) as answer:
                return await self._keep(server_name, media_id, self._chunks(answer), answer.headers)
        except RemoteRefused:
            raise not_found(f"The server {server_name} does not have this file.") from None

    def _chunks(self, answer: RemoteAnswer) -> AsyncIterator[bytes]:
        return answer.chunks(self._media.max_bytes + SURROUNDINGS_BYTES)

    async def _keep(
        self, server_name: str, media_id: str, chunks: AsyncIterator[bytes], told: Mapping[str, str]
    ) -> MediaRow:
        return await self._media.keep_remote(
            (server_name, media_id),
            chunks,
            content_type_of(told.get("content-type")),
            _file_name(told.get("content-disposition", "")),
        )


def _file_name(disposition: str) -> str | None:
    """Return the name in a `Content-Disposition` (RFC 6266), None if there is none that can be used."""
    match = _NAME.search(disposition)
    if match is None:
        return None
    name = unquote(match[1]) if match[1] else match[2] or match[3]
    with suppress(MatrixError):
        check_file_name(name)
        return name
    return None
