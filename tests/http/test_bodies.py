"""Structs from JSON: every refusal names the field."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest

from hamrasan.http.bodies import decode_struct
from hamrasan.protocol.errors import MatrixError


class Inner(msgspec.Struct):
    """A part."""

    name: str


class Outer(msgspec.Struct):
    """A body."""

    count: Annotated[int, msgspec.Meta(ge=1, le=5)]
    items: list[Inner] = []
    table: dict[str, int] = {}
    kind: Literal["a", "b"] = "a"
    anything: Any = None


def test_a_body_that_fits() -> None:
    body = decode_struct(b'{"count":2,"items":[{"name":"x"}],"unknown":true,"anything":{"a":[null]}}', Outer)
    assert body == Outer(2, [Inner("x")], anything={"a": [None]})


@pytest.mark.parametrize(
    ("body", "errcode", "words"),
    [
        (b"", "M_NOT_JSON", ""),
        (b"{", "M_NOT_JSON", ""),
        (b'{"count":1} x', "M_NOT_JSON", ""),
        (b'{"count":"\xff"}', "M_NOT_JSON", ""),
        (b"[]", "M_BAD_JSON", "The request body: expected an object, got an array."),
        (b"null", "M_BAD_JSON", "got null"),
        (b"{}", "M_MISSING_PARAM", "'count'"),
        (b'{"count":1,"items":[{"name":"x"},{}]}', "M_MISSING_PARAM", "'items[1].name'"),
        (b'{"count":"1"}', "M_BAD_JSON", "The field 'count': expected an integer, got a string."),
        (b'{"count":9}', "M_BAD_JSON", "The field 'count': expected an integer <= 5."),
        (b'{"count":1,"kind":"z"}', "M_BAD_JSON", "The field 'kind': invalid enum value 'z'."),
        (
            b'{"count":1,"table":{"k":"v"}}',
            "M_BAD_JSON",
            "The field 'table.*': expected an integer, got a string.",
        ),
        (b'{"count":1.0}', "M_BAD_JSON", ""),
        (b'{"count":1,"anything":1.5}', "M_BAD_JSON", ""),
        (b'{"count":1,"anything":9007199254740992}', "M_BAD_JSON", ""),
        (b'{"count":1,"anything":' + b"[" * 3000 + b"]" * 3000 + b"}", "M_BAD_JSON", ""),
    ],
)
def test_a_body_that_does_not_fit(body: bytes, errcode: str, words: str) -> None:
    with pytest.raises(MatrixError) as refused:
        decode_struct(body, Outer)
    assert (refused.value.status, refused.value.errcode) == (400, errcode)
    assert words in refused.value.message
