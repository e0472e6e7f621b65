"""Query parameters and percent-decoding."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.http.query import MAX_INTEGER, Query, percent_decode
from hamrasan.protocol.errors import MatrixError

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(_TEXT, _TEXT)))
def test_reads_back_what_was_written(pairs: list[tuple[str, str]]) -> None:
    query = Query(urlencode(pairs))
    for name, _ in pairs:
        assert query.all(name) == [value for other, value in pairs if other == name]
        assert query.one(name) == query.all(name)[0]
    assert set(query.names()) == {name for name, _ in pairs}


@given(_TEXT)
def test_percent_decoding_reverses_encoding(text: str) -> None:
    assert percent_decode(quote(text, safe="")) == text


@given(st.text(alphabet="%0aAfF9zé"))
def test_percent_decoding_gives_text_or_a_refusal(text: str) -> None:
    try:
        decoded = percent_decode(text)
    except MatrixError:
        assert "%" in text
    else:
        assert decoded.encode().decode() == decoded


def test_values_without_names_and_names_without_values() -> None:
    query = Query("&a&b=&=c&&d=1=2")
    assert query.one("a") == ""
    assert query.one("b") == ""
    assert query.one("") == "c"
    assert query.one("d") == "1=2"
    assert query.one("e") is None
    assert query.all("e") == []


def test_required() -> None:
    assert Query("a=1").required("a") == "1"
    _refuses(lambda: Query("").required("a"), "M_MISSING_PARAM")


def test_integers() -> None:
    query = Query("n=5&big=999999999999999&word=x&negative=-1&empty=&huge=99999999999999999999&arabic=٣")
    assert query.integer("n", 1) == 5
    assert query.integer("absent", 1) == 1
    assert query.integer("absent") is None
    assert query.integer("big", 1, 0, 100) == 100
    assert query.integer("big") == 999999999999999
    assert query.integer("negative", 0, -5) == -1
    assert Query("n=9223372036854775807").integer("n") == MAX_INTEGER
    for name in ("word", "negative", "empty", "huge", "arabic"):
        _refuses(lambda name=name: query.integer(name, 1), "M_INVALID_PARAM", name)  # type: ignore[misc]  # bound now


def test_choices_and_booleans() -> None:
    query = Query("dir=b&yes=true&no=false&odd=1")
    assert query.choice("dir", ("f", "b")) == "b"
    assert query.choice("absent", ("f", "b")) is None
    assert query.choice("absent", ("f", "b"), "f") == "f"
    assert query.boolean("yes")
    assert not query.boolean("no", True)
    assert query.boolean("absent", True)
    _refuses(lambda: query.choice("dir", ("f", "x")), "M_INVALID_PARAM", "f, x")
    _refuses(lambda: query.boolean("odd"), "M_INVALID_PARAM", "true, false")


def _refuses(call: Callable[[], object], errcode: str, words: str = "") -> None:
    with pytest.raises(MatrixError) as refused:
        call()
    assert refused.value.errcode == errcode
    assert words in refused.value.message
