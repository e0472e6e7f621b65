"""The generators' HTTP: whatever way the bytes arrive in, the same response comes out."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.load.wire import ResponseReader, request_bytes, send_path, sync_target

LENGTH_FORM = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nServer: x\r\n\r\nhello world"
CHUNKED_FORM = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;note=1\r\n world\r\n0\r\n\r\n"
)


@given(st.sampled_from([LENGTH_FORM, CHUNKED_FORM]), st.lists(st.integers(1, 100), max_size=6))
def test_response_is_the_same_however_it_is_cut(form: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(form), *(cut for cut in cuts if cut < len(form))})
    reader = ResponseReader()
    responses = [reader.feed(form[start:end]) for start, end in pairwise(edges)]
    assert responses[:-1] == [None] * (len(responses) - 1)
    assert responses[-1] is not None
    assert responses[-1].body == b"hello world"


@pytest.mark.parametrize("form", [LENGTH_FORM, CHUNKED_FORM])
def test_reader_serves_one_response_after_another(form: bytes) -> None:
    reader = ResponseReader()
    for _ in range(3):
        assert reader.feed(form[:30]) is None
        response = reader.feed(form[30:])
        assert response is not None
        assert (response.status, response.body, response.closing) == (200, b"hello world", False)


def test_closing_is_seen() -> None:
    response = ResponseReader().feed(b"HTTP/1.1 204 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    assert response is not None
    assert response.closing


def test_response_without_a_length_is_refused() -> None:
    with pytest.raises(BenchError, match="without a length"):
        ResponseReader().feed(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")


def test_refusal_names_status_and_text() -> None:
    response = ResponseReader().feed(b"HTTP/1.1 429 Slow\r\nContent-Length: 4\r\n\r\nlate")
    assert response is not None
    with pytest.raises(BenchError, match=r"a send: HTTP 429 b'late'"):
        response.expect_success("a send")


def test_request_carries_token_and_body() -> None:
    request = request_bytes("PUT", send_path("!r:localhost") + "t1", "secret", b"{}")
    assert request == (
        b"PUT /_matrix/client/v3/rooms/%21r%3Alocalhost/send/m.room.message/t1 HTTP/1.1\r\n"
        b"Host: localhost\r\nAuthorization: Bearer secret\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_only_a_later_sync_names_where_it_starts() -> None:
    assert sync_target(None, 5) == "/_matrix/client/v3/sync?timeout=5"
    assert sync_target("s1/2", 0) == "/_matrix/client/v3/sync?timeout=0&since=s1%2F2"
