"""Unpadded Base64 (appendices, "Unpadded Base64")."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.base64 import decode_base64, encode_base64, encode_base64_urlsafe
from hamrasan.protocol.errors import MatrixError

SPEC_EXAMPLES = [
    (b"", ""),
    (b"f", "Zg"),
    (b"fo", "Zm8"),
    (b"foo", "Zm9v"),
    (b"foob", "Zm9vYg"),
    (b"fooba", "Zm9vYmE"),
    (b"foobar", "Zm9vYmFy"),
]


@pytest.mark.parametrize(("data", "text"), SPEC_EXAMPLES)
def test_the_examples_of_the_specification(data: bytes, text: str) -> None:
    assert encode_base64(data) == text
    assert decode_base64(text) == data


def test_the_alphabets_differ_in_two_characters() -> None:
    assert encode_base64(b"\xfb\xff") == "+/8"
    assert encode_base64_urlsafe(b"\xfb\xff") == "-_8"


@given(st.binary())
def test_both_alphabets_are_read_padded_or_not(data: bytes) -> None:
    for text in (encode_base64(data), encode_base64_urlsafe(data)):
        assert decode_base64(text) == data
        assert decode_base64(text + "=" * (-len(text) % 4)) == data


@pytest.mark.parametrize("text", ["A", "Zg!", "Z g", "+-AA", "_/AA", "Zm9é", "Zg==Zg", "Zm9v\n"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(MatrixError) as refused:
        decode_base64(text)
    assert refused.value.errcode == "M_INVALID_PARAM"
