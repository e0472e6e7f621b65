"""Files that come in parts (RFC 2046), however they are cut into pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.federation.multipart import MAX_HEADER_BYTES, FileAnswer, MultipartError, boundary_of

BOUNDARY = b"gc0p4Jq0M2Yt08jU534c0p"


def whole(content: bytes, headers: bytes = b"Content-Type: text/plain\r\n", metadata: bytes = b"{}") -> bytes:
    mark = b"--" + BOUNDARY
    return b"%b\r\nContent-Type: application/json\r\n\r\n%b\r\n%b\r\n%b\r\n%b\r\n%b--\r\n" % (
        mark,
        metadata,
        mark,
        headers,
        content,
        mark,
    )


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(data: bytes, size: int = 7) -> tuple[dict[str, str], bytes]:
    async def run() -> tuple[dict[str, str], bytes]:
        answer = FileAnswer(pieces(data, size), BOUNDARY)
        await answer.start()
        return dict(answer.headers), b"".join([piece async for piece in answer.body()])

    return asyncio.run(run())


@given(content=st.binary(max_size=300) | st.sampled_from([b"\r\n--gc0p", b"--" + BOUNDARY, b"\r\n" * 40]))
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_file_comes_as_it_was_sent(size: int, content: bytes) -> None:
    headers, body = read(whole(content), size)
    assert (headers, body) == ({"content-type": "text/plain"}, content)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing of the kind",
        whole(b"x")[:-30],
        whole(b"x", metadata=b"{" + b" " * 80_000 + b"}"),
        whole(b"x", headers=b"X: " + b"y" * MAX_HEADER_BYTES * 2 + b"\r\n"),
    ],
)
def test_what_is_no_file_in_parts_is_refused(data: bytes) -> None:
    with pytest.raises(MultipartError):
        read(data, 1000)


def test_the_metadata_may_be_anything_short_and_a_preamble_is_passed_over() -> None:
    assert read(b"for people\r\n" + whole(b"x", metadata=b""))[1] == b"x"


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/mixed; boundary=abc", b"abc"),
        ('Multipart/Mixed; charset=x; boundary="a b"', b"a b"),
        ("multipart/mixed;boundary=a'b;x=y", b"a'b"),
    ],
)
def test_what_stands_between_the_parts(header: str, boundary: bytes) -> None:
    assert boundary_of(header) == boundary


@pytest.mark.parametrize(
    "header", ["", "text/html; boundary=x", "multipart/mixed", "multipart/mixed; boundary="]
)
def test_an_answer_without_parts_is_refused(header: str) -> None:
    with pytest.raises(MultipartError):
        boundary_of(header)
