"""Answers that carry a file, or a part of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from hamrasan.http.file_headers import FOR_EVER, SAFETY, disposition
from hamrasan.http.ranges import NotSatisfiable, is_among, part_of
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Headers, Response, StreamResponse, json_response

Read = Callable[[int, int], Awaitable[AsyncIterator[bytes]]]
"""From start and length to the bytes there."""


async def answer_file(
    request: Request, read: Read, size: int, key: str, content_type: str, file_name: str | None
) -> Answer:
    """Answer with a file, as far as the client does not have it; `key` names its bytes. Raises what `read` raises."""
    etag = f'"{key}"'
    headers: Headers = (disposition(content_type, file_name), *SAFETY, FOR_EVER, ("ETag", etag))
    if is_among(etag, request.header("if-none-match")):
        return Response(304, b"", headers=headers)
    try:
        part = part_of(size, etag, request.header("range"), request.header("if-range"))
    except NotSatisfiable:
        return _not_satisfiable(size)
    headers = (*headers, ("Accept-Ranges", "bytes"))
    if part is None:
        return StreamResponse(200, await read(0, size), content_type, headers, size)
    start, length = part
    headers = (*headers, ("Content-Range", f"bytes {start}-{start + length - 1}/{size}"))
    return StreamResponse(206, await read(start, length), content_type, headers, length)


def _not_satisfiable(size: int) -> Response:
    return json_response(
        416,
        {
            "errcode": "M_INVALID_PARAM",
            "error": f"The file has {size} bytes, and none in the part asked for.",
        },
        (("Content-Range", f"bytes */{size}"),),
    )
