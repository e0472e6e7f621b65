"""Answers that carry a file, or a part of it, or say where it is."""

from __future__ import annotations

from dataclasses import dataclass

from hamrasan.http.file_headers import FOR_EVER, SAFETY, disposition
from hamrasan.http.ranges import NotSatisfiable, is_among, part_of
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Headers, Response, StreamResponse, json_response
from hamrasan.http.services import Services

ACCEL_PREFIX = "/_hamrasan/media/"
"""The internal location in the front proxy's configuration that leads to the folder of files (handbook)."""
REDIRECT_CACHING = ("Cache-Control", "private, no-store")
"""A signed address is good for minutes, so nobody is to remember it."""


@dataclass(frozen=True, slots=True)
class FileOnHand:
    """A file that is going to be handed out."""

    key: str
    """Of its blob, which names its bytes."""
    size: int
    content_type: str
    file_name: str | None


async def answer_file(
    request: Request, services: Services, file: FileOnHand, *, may_redirect: bool = True
) -> Answer:
    """Answer with a file, as far as the client does not have it, in the way that `media_delivery` says.

    Raises `M_NOT_FOUND` for one that is lost, `M_UNKNOWN` (503) for one that cannot be read now.
    """
    etag = f'"{file.key}"'
    headers: Headers = (
        disposition(file.content_type, file.file_name),
        *SAFETY,
        FOR_EVER,
        ("ETag", etag),
    )
    if is_among(etag, request.header("if-none-match")):
        return Response(304, b"", headers=headers)
    elsewhere = await _elsewhere(services, file, headers, may_redirect)
    if elsewhere is not None:
        return elsewhere
    headers = (*headers, ("Accept-Ranges", "bytes"))
    try:
        part = part_of(file.size, etag, request.header("range"), request.header("if-range"))
    except NotSatisfiable:
        return _not_satisfiable(file.size)
    if part is None:
        chunks = await services.media.read(file.key, 0, file.size)
        return StreamResponse(200, chunks, file.content_type, headers, file.size)
    start, length = part
    headers = (*headers, ("Content-Range", f"bytes {start}-{start + length - 1}/{file.size}"))
    chunks = await services.media.read(file.key, start, length)
    return StreamResponse(206, chunks, file.content_type, headers, length)


async def _elsewhere(
    services: Services, file: FileOnHand, headers: Headers, may_redirect: bool
) -> Response | None:
    """Return an answer that lets somebody else send the file, if the operator wants that and it is possible."""
    delivery = services.settings.media_delivery
    if delivery == "redirect" and may_redirect:
        link = await services.media.link(file.key)
        if link is not None:
            return Response(307, b"", headers=(("Location", link), REDIRECT_CACHING))
    if delivery == "proxy":
        place = services.media.place(file.key)
        if place is not None:
            accel = ("X-Accel-Redirect", ACCEL_PREFIX + place)
            return Response(200, b"", file.content_type, (*headers, accel))
    return None


def _not_satisfiable(size: int) -> Response:
    return json_response(
        416,
        {
            "errcode": "M_INVALID_PARAM",
            "error": f"The file has {size} bytes, and none in the part asked for.",
        },
        (("Content-Range", f"bytes */{size}"),),
    )
