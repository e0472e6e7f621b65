"""Files for other servers (server-server API, "Content Repository").

An answer has two parts: what is known of the file, which is nothing yet, and the file itself - or, where an object
store hands files out, the address at which it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from hamrasan.http.api.client.authed_content_repo import file_of, thumbnail_of
from hamrasan.http.file_answers import FileOnHand
from hamrasan.http.file_headers import disposition
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Response, StreamResponse
from hamrasan.http.route import Auth, RateClass, Route
from hamrasan.http.services import Services

BOUNDARY_LETTERS = 32
"""Chosen anew for each answer, so that no file holds it but by a chance that nobody will meet."""


async def download(request: Request, services: Services) -> Answer:
    """Return a file that was uploaded here."""
    return await _answer(services, await file_of(_of_ours(request, services), services))


async def thumbnail(request: Request, services: Services) -> Answer:
    """Return a small picture of a file that was uploaded here."""
    return await _answer(services, await thumbnail_of(_of_ours(request, services), services))


def _of_ours(request: Request, services: Services) -> Request:
    """Return the request as one for a file of this server: others are not handed on to each other."""
    request.path["server_name"] = services.settings.server_name
    return request


async def _answer(services: Services, file: FileOnHand) -> Answer:
    boundary = services.entropy.id(BOUNDARY_LETTERS)
    content_type = f"multipart/mixed; boundary={boundary}"
    name, value = disposition(file.content_type, file.file_name)
    begin = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--{boundary}\r\n"
    end = f"\r\n--{boundary}--\r\n".encode()
    headers = f"Content-Type: {file.content_type}\r\n{name}: {value}\r\n"
    if services.settings.media_delivery == "redirect":
        link = await services.media.link(file.key)
        if link is not None:
            return Response(200, f"{begin}{headers}Location: {link}\r\n\r\n".encode() + end, content_type)
    head = f"{begin}{headers}\r\n".encode()
    chunks = await services.media.read(file.key, 0, file.size)
    length = len(head) + file.size + len(end)
    return StreamResponse(200, _Parts(head, chunks, end), content_type, length=length)


class _Parts(AsyncIterator[bytes]):
    """A file with what stands before and behind it; closes the file with itself, be it before the first chunk."""

    def __init__(self, head: bytes, chunks: AsyncIterator[bytes], end: bytes) -> None:
        self._head: bytes | None = head
        self._chunks = chunks
        self._end: bytes | None = end

    async def __anext__(self) -> bytes:
        if self._head is not None:
            head, self._head = self._head, None
            return head
        async for chunk in self._chunks:
            return chunk
        if self._end is None:
            raise StopAsyncIteration
        end, self._end = self._end, None
        return end

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()


_MEDIA = "/_matrix/federation/v1/media"

ROUTES = [
    Route(
        "GET",
        _MEDIA + "/download/{media_id}",
        download,
        "federation:getContent",
        Auth.SERVER,
        RateClass.FEDERATION,
    ),
    Route(
        "GET",
        _MEDIA + "/thumbnail/{media_id}",
        thumbnail,
        "federation:getContentThumbnail",
        Auth.SERVER,
        RateClass.FEDERATION,
    ),
]
