"""Text as it is searched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol import search_text
from hamrasan.protocol.search_text import (
    MAX_WORD_CHARS,
    MAX_WORDS,
    Term,
    fold,
    indexed_words,
    matching_words,
    parse_query,
    words_of,
)


def matches(text: str, query: str) -> bool:
    """Return whether a text is found by a query, as an index of words would say."""
    padded = f" {' '.join(indexed_words(text))} "
    terms = parse_query(query)
    return bool(terms) and all(
        any(f" {' '.join(words)} " in padded for words in term.alternatives) for term in terms
    )


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Hello World", "hello world"),
        ("STRASSE straße", "strasse strasse"),
        ("naïve Ångström", "naive angstrom"),
        ("ｆｕｌｌ ﬁne", "full fine"),
        ("علي", "علی"),
        ("موسى", "موسی"),
        ("پائیز", "پاییز"),
        ("كيك", "کیک"),
        ("فاطمة", "فاطمه"),
        ("خانۀ", "خانه"),
        ("خانهٔ", "خانه"),
        ("أحمد إيران آب ٱلله", "احمد ایران اب الله"),
        ("مؤمن", "مومن"),
        ("شیء جزء", "شی جز"),
        ("مُحَمَّدٌ", "محمد"),
        ("ســـلام", "سلام"),
        ("۱۲۳ ٤٥٦ 789", "123 456 789"),
        ("ﺳﻼﻡ", "سلام"),
        ("می\u200cروم", "می\u200cروم"),
        ("\u200fسلام\u200e", "سلام"),
        ("ЁЛКА", "елка"),
    ],
)
def test_folding(written: str, folded: str) -> None:
    assert " ".join(fold(written).split()) == folded


FOUND = [
    ("می‌روم", "میروم"),
    ("می‌روم", "می روم"),
    ("می‌روم", "می‌روم"),
    ("می‌روم", "روم"),
    ("میروم", "می‌روم"),
    ("میروم", "می روم"),
    ("می روم", "میروم"),
    ("می روم", "می‌روم"),
    ("نمی خواهم", "نمیخواهم"),
    ("نمی‌خواهم", "نمی خواهم"),
    ("کتاب‌ها", "کتاب"),
    ("کتاب‌ها", "کتابها"),
    ("کتاب‌ها", "کتاب ها"),
    ("کتاب ها", "کتابها"),
    ("کتاب ها", "کتاب‌ها"),
    ("کتابها", "کتاب"),
    ("کتابها", "کتاب‌ها"),
    ("کتاب‌هایم", "کتاب"),
    ("کتابهای خوب", "کتاب خوب"),
    ("کتاب", "کتابها"),
    ("بزرگ‌تر", "بزرگتر"),
    ("بزرگ تر", "بزرگ‌تر"),
    ("خانه‌دار", "خانه دار"),
    ("خانه دار", "خانه‌دار"),
    ("خانه‌ی ما", "خانه ما"),
    ("رفته‌ام", "رفته ام"),
    ("علي و کتاب", "علی"),
    ("بیست‌وپنج", "بیستوپنج"),
    ("الكتاب", "كتاب"),
    ("کتاب", "الکتاب"),
    ("messages", "message"),
    ("message", "messages"),
    ("stories", "story"),
    ("boxes", "box"),
    ("don't", "don t"),
    ("e-mail@example.org", "example"),
    ("#برچسب_خوب", "برچسب"),
    ("日本語", "本"),
    ("سلام😀دنیا", "😀 سلام"),
    ("one two three", '"two three"'),
    ("سلام دنیا", "«سلام دنیا»"),
]


@pytest.mark.parametrize(("text", "query"), FOUND)
def test_what_is_found_by_what(text: str, query: str) -> None:
    assert matches(text, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("می‌روم", "می‌آیم"),
        ("کتاب", "کتابخانه"),
        ("کتابخانه", "کتاب"),
        ("one two three", '"three two"'),
        ("one and two", '"one two"'),
        ("glass", "glas"),
        ("bus", "bu"),
        ("سلام", "؟!"),
        ("خانه", "خان"),
    ],
)
def test_what_is_not_found_by_what(text: str, query: str) -> None:
    assert not matches(text, query)


def test_words_keep_their_order_and_other_forms_come_after_them() -> None:
    assert indexed_words("می‌روم به کتاب ها") == ["می", "روم", "به", "کتاب", "ها", "میروم", "کتابها", "کتاب"]


def test_terms() -> None:
    assert parse_query("") == parse_query(' "" «» ؟ \u200c ') == []
    assert parse_query("a a b") == [Term((("a",),)), Term((("b",),))]
    assert parse_query('"a b" c') == [Term((("a", "b"),)), Term((("c",),))]
    assert parse_query("می‌روم") == [Term((("میروم",), ("می", "روم")))]
    assert words_of(parse_query("می‌روم a")) == {"میروم", "می", "روم", "a"}


@pytest.mark.parametrize(
    ("text", "query", "words"),
    [
        ("Martians, and MEN!", "men martians", ["Martians", "MEN"]),
        ("من می‌روم.", "میروم", ["می‌روم"]),
        ("من می روم.", "میروم", ["می روم"]),
        ("(كتاب)", "کتاب", ["كتاب"]),
        ("nothing here", "else", []),
    ],
)
def test_words_to_highlight(text: str, query: str, words: list[str]) -> None:
    assert list(matching_words(text, words_of(parse_query(query)))) == words


def test_limits() -> None:
    assert indexed_words("x" * 500) == ["x" * MAX_WORD_CHARS]
    assert len(indexed_words("a " * 60_000)) == MAX_WORDS
    assert len(indexed_words("a\u200c" * 60_000)) <= MAX_WORDS + 1
    assert len(indexed_words("ها " * 60_000)) <= MAX_WORDS + 2
    assert matches("y" * 500, "y" * 400)


@given(st.text())
def test_folding_what_is_folded_changes_nothing(text: str) -> None:
    once = fold(text)
    assert fold(once).split() == once.split()


@given(st.text())
def test_words_have_nothing_in_them_that_an_index_could_misread(text: str) -> None:
    for word in [*indexed_words(text), *words_of(parse_query(text))]:
        assert word
        assert not any(character.isspace() or character in "\"'*():^-+\x00\ue000\u200c" for character in word)
        assert len(word) <= MAX_WORD_CHARS


@given(st.text())
def test_every_text_is_found_by_itself(text: str) -> None:
    assert not parse_query(text.replace('"', " ")) or matches(text, text.replace('"', " "))


@given(st.text(alphabet=st.sampled_from("می روم‌هاکتاب sS'\"«»آأيىۀ۱١")))
def test_every_text_is_found_by_itself_in_persian(text: str) -> None:
    plain = text.translate({ord(quote): " " for quote in '"«»'})
    assert not parse_query(plain) or matches(plain, plain)


def test_the_table_of_letters_does_not_grow_beyond_unicode() -> None:
    fold("\U000f0000\U0010fffd")
    assert 0xF0000 not in search_text._FOLDING
