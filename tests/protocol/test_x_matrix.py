"""The `Authorization` header between servers, and what it signs."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.canonical_json import encode_canonical
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.signing import SigningKey, verify_signature
from hamrasan.protocol.x_matrix import (
    MAX_HEADER_CHARS,
    XMatrix,
    parse_x_matrix,
    read_content,
    request_to_sign,
    sign_request,
    write_x_matrix,
)

SAID = XMatrix("a.test:8448", "b.test", "ed25519:a_1", "c2lnbmF0dXJl")


@pytest.mark.parametrize(
    "header",
    [
        'X-Matrix origin="a.test:8448",destination="b.test",key="ed25519:a_1",sig="c2lnbmF0dXJl"',
        "X-Matrix origin=a.test:8448,destination=b.test,key=ed25519:a_1,sig=c2lnbmF0dXJl",
        'x-matrix   SIG="c2lnbmF0dXJl" \t,\t Key="ed25519:a_1" , DESTINATION=b.test , Origin="a.test:8448"',
        'X-Matrix origin="a.t\\est:8448",destination="b.test",key="ed25519:a_1",sig="c2lnbmF0dXJl"',
        'X-Matrix origin="a.test:8448",new="a,b=\\"c",destination=b.test,key="ed25519:a_1",sig="c2lnbmF0dXJl"',
        write_x_matrix(SAID),
    ],
)
def test_every_way_to_write_the_header_is_read(header: str) -> None:
    assert parse_x_matrix(header) == SAID


def test_a_destination_may_be_missing() -> None:
    said = SAID._replace(destination=None)
    assert parse_x_matrix(write_x_matrix(said)) == said


@pytest.mark.parametrize(
    "header",
    [
        "",
        "X-Matrix",
        "X-Matrix ",
        "Bearer token",
        'X-Matrixorigin="a.test",key="k",sig="s"',
        'X-Matrix origin="a.test",key="k"',
        'X-Matrix origin="a.test",sig="s"',
        'X-Matrix key="k",sig="s"',
        'X-Matrix origin="",key="k",sig="s"',
        'X-Matrix origin="a.test" key="k",sig="s"',
        'X-Matrix origin="a.test,key="k",sig="s"',
        'X-Matrix origin="a.test",origin="b.test",key="k",sig="s"',
        'X-Matrix origin="a.test",key="k",sig="s",,',
        'X-Matrix origin="no name",key="k",sig="s"',
        'X-Matrix origin="a.test/path",key="k",sig="s"',
        f'X-Matrix origin="a.test",key="{"k" * 256}",sig="s"',
        f'X-Matrix origin="a.test",key="k",sig="{"s" * 129}"',
        "X-Matrix " + "a" * MAX_HEADER_CHARS,
    ],
)
def test_what_is_no_such_header_is_unauthorized(header: str) -> None:
    with pytest.raises(MatrixError) as refused:
        parse_x_matrix(header)
    assert (refused.value.status, refused.value.errcode) == (401, "M_UNAUTHORIZED")


@given(st.text(st.characters(max_codepoint=255), max_size=200))
def test_no_header_breaks_the_reader(text: str) -> None:
    with suppress(MatrixError):
        assert parse_x_matrix("X-Matrix " + text).origin in text


def test_what_is_signed_is_canonical_json() -> None:
    content = {"pdus": [], "a": "é"}
    whole = {"method": "PUT", "uri": "/x?a=ü", "origin": "a.test", "destination": "b.test"}
    signed = request_to_sign("PUT", "/x?a=ü", "a.test", "b.test", encode_canonical(content))
    assert signed == encode_canonical({**whole, "content": content})
    assert request_to_sign("PUT", "/x?a=ü", "a.test", "b.test", None) == encode_canonical(whole)


def test_a_request_is_signed_with_the_key_that_it_names() -> None:
    key = SigningKey("ed25519:a_1", bytes(32))
    said = parse_x_matrix(sign_request("GET", "/x", "a.test", "b.test", None, key))
    assert said[:3] == ("a.test", "b.test", "ed25519:a_1")
    signed = request_to_sign("GET", "/x", "a.test", "b.test", None)
    verify_signature(signed, said.signature, "a.test", said.key_id, key.public_key)
    with pytest.raises(MatrixError):
        verify_signature(signed + b" ", said.signature, "a.test", said.key_id, key.public_key)


def test_content_is_read_as_it_was_signed() -> None:
    assert read_content(b'{"b":1, "a":[]}') == ({"b": 1, "a": []}, b'{"a":[],"b":1}')
    # Events of the first room versions may hold any number.
    assert read_content(b'{"b":1.5,"a":99999999999999999999}') == (
        {"b": 1.5, "a": 99999999999999999999},
        b'{"a":99999999999999999999,"b":1.5}',
    )
    for wrong in (b"", b"{", b"[" * 1000 + b"]" * 1000):
        with pytest.raises(MatrixError) as refused:
            read_content(wrong)
        assert refused.value.status == 400
