"""From errors to answers, and heads that cannot be broken out of."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from hamrasan.http.errors import response_to
from hamrasan.http.heads import CLOSE, KEEP, date_line, head_for
from hamrasan.http.response import JSON
from hamrasan.protocol.errors import MatrixError, limit_exceeded


@pytest.mark.parametrize(("wait_ms", "seconds"), [(1, "1"), (1000, "1"), (1001, "2"), (0, "1")])
def test_retry_after_is_rounded_up(wait_ms: int, seconds: str) -> None:
    response = response_to(limit_exceeded(wait_ms), "sync")
    assert (response.status, dict(response.headers)) == (429, {"Retry-After": seconds})
    assert orjson.loads(response.body)["retry_after_ms"] == wait_ms


def test_a_refusal_is_told_as_it_is() -> None:
    response = response_to(MatrixError(403, "M_FORBIDDEN", "No.", {"room_version": "9"}), "join")
    assert response.status == 403
    assert orjson.loads(response.body) == {"errcode": "M_FORBIDDEN", "error": "No.", "room_version": "9"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyError("secret"), 500),
        (MatrixError(400, "M_X", "x", {"unwritable": object()}), 500),
        (asyncio.CancelledError(), 503),
    ],
)
def test_what_is_our_fault_says_nothing(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    response = response_to(error, "sync")
    assert response.status == status
    assert orjson.loads(response.body)["errcode"] == "M_UNKNOWN"
    assert b"secret" not in response.body


@pytest.mark.parametrize(
    "header", [("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\0b"), ("X y", "a"), ("X:", "a"), ("X", "س")]
)
def test_headers_stay_in_their_line(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"cannot be sent|latin-1"):
        head_for(200, JSON, (header,), 0, KEEP, b"")


@pytest.mark.parametrize("content_type", ["text/plain\r\nX: y", "text/س"])
def test_a_content_type_stays_in_its_line(content_type: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=r"cannot be sent|latin-1"):
            head_for(200, content_type, (), 0, KEEP, b"")


def test_a_head() -> None:
    head = head_for(200, "text/plain", (("X-Y", "z"),), 5, CLOSE, date_line(0))
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
    assert head.endswith(
        b"\r\nX-Y: z\r\nContent-Length: 5\r\nConnection: close\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
    )
    assert b"Content-Length" not in head_for(204, JSON, (), 0, KEEP, b"")
    assert b"\r\nContent-Type:" not in head_for(204, JSON, (), 0, KEEP, b"")
    assert b"Transfer-Encoding: chunked" in head_for(200, JSON, (), None, KEEP, b"")
    assert b"Transfer-Encoding" not in head_for(200, JSON, (), None, CLOSE, b"")
