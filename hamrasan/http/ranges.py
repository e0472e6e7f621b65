"""Parts of files (RFC 9110, "Range Requests")."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


class NotSatisfiable(Exception):
    """The file has nothing of the part that is asked for."""


def part_of(size: int, etag: str, header: str | None, condition: str | None) -> tuple[int, int] | None:
    """Return start and length of the part of `size` bytes that a request asks for; None if it is for everything.

    `header` is Range; `condition` is If-Range, with which a client that has another version asks for everything.
    What is malformed, or asks for several parts, is answered with everything, as the RFC allows. Raises
    `NotSatisfiable`.
    """
    found = _RANGE.fullmatch(header) if header is not None else None
    if found is None or (condition is not None and condition != etag):
        return None
    first, last = found.groups()
    if not first:
        if not last:
            return None
        length = min(int(last), size)
        if not length:
            raise NotSatisfiable
        return size - length, length
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise NotSatisfiable
    return start, end - start + 1


def is_among(etag: str, header: str | None) -> bool:
    """Return whether If-None-Match names `etag`, so that the client has the file already (RFC 9110, 13.1.2)."""
    if header is None:
        return False
    return header.strip() == "*" or any(tag.strip().removeprefix("W/") == etag for tag in header.split(","))
