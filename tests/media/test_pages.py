"""What pages say about themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.media.pages import MAX_PROPERTIES, MAX_VALUE_CHARS, describe_page


def test_properties_of_a_page() -> None:
    page = b"""<html><head><title>Other</title>
    <meta property="og:title" content="A &amp; B"><META NAME="og:description" CONTENT="first
    and second line">
    <meta property="og:title" content="a second one"><meta property="og:image" content="/cat.png">
    <meta property="article:author" content="Parisa"><meta property="fb:app_id" content="1"></head></html>"""
    assert describe_page(page, None) == {
        "og:title": "A & B",
        "og:description": "first and second line",
        "og:image": "/cat.png",
        "article:author": "Parisa",
    }


def test_a_page_without_properties_is_described_by_its_html() -> None:
    page = (
        b"""<title>A page</title><meta name=description content="About it"><link rel=image_src href=a.png>"""
    )
    assert describe_page(page, None) == {
        "og:title": "A page",
        "og:description": "About it",
        "og:image": "a.png",
    }


def test_headings_and_the_first_paragraph_help_out() -> None:
    page = b"""<body><h1>Head<script>var x</script>line</h1><p>First <b>words</b>.</p><p>Others.</p>"""
    assert describe_page(page, None) == {"og:title": "Headline", "og:description": "First words."}


@pytest.mark.parametrize(
    ("encoding", "charset", "declared"),
    [
        ("utf-8", None, ""),
        ("utf-8", "no-such-charset", ""),
        ("windows-1256", "windows-1256", ""),
        ("windows-1256", None, '<meta charset="windows-1256">'),
        ("utf-16", "utf-16", ""),
    ],
)
def test_persian_pages_in_any_encoding(encoding: str, charset: str | None, declared: str) -> None:
    page = f"<html><head>{declared}<title>سلام دنيا</title></head></html>".encode(encoding)
    assert describe_page(page, charset) == {"og:title": "سلام دنيا"}


@pytest.mark.parametrize("charset", ["base64", "zlib", "rot13", "hex", "idna", "undefined"])
def test_encodings_that_are_none_of_text(charset: str) -> None:
    assert describe_page(b"<title>x</title>", charset) == {"og:title": "x"}


def test_little_is_taken_from_pages_that_say_much() -> None:
    page = b"".join(
        b'<meta property="og:x%b" content="%b">' % (bytes([97 + n % 26]) * (1 + n // 26), b"y" * 9_000)
        for n in range(500)
    )
    found = describe_page(page, None)
    assert len(found) <= MAX_PROPERTIES
    assert max(len(value) for value in found.values()) == MAX_VALUE_CHARS


@given(st.binary(max_size=300), st.one_of(st.none(), st.text(max_size=10)))
def test_no_page_is_an_error(page: bytes, charset: str | None) -> None:
    describe_page(b"<meta property=og:title content=" + page, charset)
