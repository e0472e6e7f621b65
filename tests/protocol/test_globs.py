"""Globs: what matches, and that it is the same as a plain definition says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.protocol.globs import StarPatterns, compile_glob, compile_word_glob, fold_case

LETTERS = "abA*?. _-İΣσ\n"


def slow_glob(pattern: str, text: str) -> bool:
    """The definition, with backtracking."""
    expression = "".join(
        ".*" if character == "*" else "." if character == "?" else re.escape(character)
        for character in fold_case(pattern)
    )
    return re.fullmatch(expression, fold_case(text), re.DOTALL) is not None


def slow_word_glob(pattern: str, text: str) -> bool:
    """The definition: some part between two boundaries matches."""

    def boundary(position: int) -> bool:
        before, after = folded[position - 1 : position], folded[position : position + 1]
        if position in (0, len(folded)):
            return True
        return not re.match("[A-Za-z0-9_]", before) or not re.match("[A-Za-z0-9_]", after)

    folded = fold_case(text)
    places = [position for position in range(len(folded) + 1) if boundary(position)]
    return any(slow_glob(pattern, folded[start:end]) for start in places for end in places if start <= end)


@given(st.text(LETTERS, max_size=6), st.text(LETTERS, max_size=10))
def test_a_glob_matches_what_the_definition_says(pattern: str, text: str) -> None:
    assert compile_glob(pattern)(text) is slow_glob(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("lunc?*", "Lunch plans", True),
        ("lunc?*", "LUNCH", True),
        ("lunc?*", " lunch", False),
        ("lunc?*", "lunc", False),
        ("m.room.message", "m.room.message", True),
        ("m.room.message", "mxroom.message", False),
        ("*", "", True),
        ("", "", True),
        ("", "x", False),
        ("سلام*", "سلام دنیا", True),
        ("a?c", "a\nc", True),
    ],
)
def test_glob(pattern: str, text: str, matches: bool) -> None:
    assert compile_glob(pattern)(text) is matches


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("ex*ple", "An example event.", True),
        ("ex*ple", "exple", True),
        ("ex*ple", "An exciting triple-whammy", True),
        ("ex*ple", "An examples", False),
        ("cake", "CAKE!", True),
        ("cake", "pancake", False),
        ("cake", "cake_", False),
        ("*cake", "pancake", True),
        ("cake*", "cakes", True),
        ("cake*lie", "the cake is a lie.", True),
        ("cake*lie", "the lie is a cake", False),
        ("قرار", "امروز قرار است", True),
        ("?ake", "a cake", True),
    ],
)
def test_word_glob(pattern: str, text: str, matches: bool) -> None:
    assert compile_word_glob(pattern)(text) is matches


@given(st.text("ab*? _", min_size=1, max_size=5).filter(str.strip), st.text("ab _", max_size=8))
def test_a_word_glob_matches_what_the_definition_says(pattern: str, text: str) -> None:
    if pattern[0] not in " ?" and pattern[-1] not in " ?":
        assert compile_word_glob(pattern)(text) is slow_word_glob(pattern, text)


def test_many_stars_against_a_long_text_cost_little() -> None:
    pattern = "a*" * 30 + "b"
    text = "a " * 30_000
    assert not compile_glob(pattern)(text)
    assert not compile_word_glob(pattern)(text)
    assert not StarPatterns([pattern]).match(text)


@given(st.lists(st.text("ab*.", max_size=6), max_size=3), st.text("ab.", max_size=8))
def test_star_patterns_match_what_the_definition_says(patterns: list[str], text: str) -> None:
    expressions = (".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns)
    expected = any(re.fullmatch(expression, text) for expression in expressions)
    assert StarPatterns(patterns).match(text) is expected


def test_only_the_star_is_special_in_star_patterns() -> None:
    assert not StarPatterns(["m.room.?"]).match("m.room.x")
    assert not StarPatterns(["m.room.message"]).match("M.ROOM.MESSAGE")


@given(st.text())
def test_folding_keeps_the_length(text: str) -> None:
    assert len(fold_case(text)) == len(text)
    assert fold_case(text) == "".join(map(fold_case, text))
