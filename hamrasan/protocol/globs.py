"""Glob patterns (appendices, "Glob-style matching"), in time that no pattern can make explode.

The patterns come from users. A regular expression with several `.*` backtracks: twenty stars against a long text
would take longer than the universe. Here every piece between two stars is taken at its first occurrence and never
tried again, which for globs finds a match whenever there is one.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable

_WORD = "[A-Za-z0-9_]"
"""Characters of a word (client-server API, "Push rules"); everything else is a boundary."""
_WORD_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_")


def fold_case(text: str) -> str:
    """Return `text` without the difference between capital and small letters, each character for itself.

    Two letters need care, so that a text keeps its length and a piece of it folds as the whole does: the dotted
    capital I would become two characters, and a capital sigma depends on its neighbours.
    """
    return text.replace("İ", "i").replace("Σ", "σ").lower()


def _piece(text: str) -> str:
    """Return the regular expression for a piece of a pattern that has no star."""
    return "".join("." if character == "?" else re.escape(character) for character in text)


def _expression(pieces: list[str], before: str, after: str) -> re.Pattern[str]:
    """Compile pieces with any text between them; `before` and `after` must hold where the match begins and ends."""
    last = len(pieces) - 1
    parts = [
        f"(?>.*?{before if index == 0 else ''}{piece}{after if index == last else ''})"
        for index, piece in enumerate(pieces)
    ]
    return re.compile("".join(parts), re.DOTALL)


def compile_glob(pattern: str) -> Callable[[str], bool]:
    """Return the test whether `pattern` matches the whole of a text, where capital and small letters are the same."""
    folded = fold_case(pattern)
    if "*" not in folded and "?" not in folded:
        length = len(folded)

        def equals(text: str) -> bool:
            return text == folded or (len(text) == length and fold_case(text) == folded)

        return equals
    head, *others = folded.split("*")
    if not others:
        matches = re.compile(_piece(head), re.DOTALL).fullmatch
        return lambda text: matches(fold_case(text)) is not None
    *middle, tail = others
    pieces = [_piece(piece) for piece in middle if piece]
    between = "".join(f"(?>.*?{piece})" for piece in pieces)
    whole = re.compile(f"{_piece(head)}{between}.*{_piece(tail)}", re.DOTALL).fullmatch
    return lambda text: whole(fold_case(text)) is not None


def compile_word_glob(pattern: str) -> Callable[[str], bool]:
    """Return the test whether `pattern` matches some part of a text that begins and ends at a word boundary.

    Capital and small letters are the same. The beginning and the end of the text are boundaries, so a star at
    either end of the pattern reaches over any word there.
    """
    folded = fold_case(pattern)
    if folded and "*" not in folded and "?" not in folded:
        return lambda text: _stands_in(fold_case(text), folded)
    pieces = [_piece(piece) for piece in folded.split("*") if piece]
    if not pieces:
        # Only stars match every text; an empty pattern needs a place with a boundary on both sides.
        if folded:
            return lambda text: True
        pieces = [""]
    before = "" if folded.startswith("*") else f"(?<!{_WORD})"
    after = "" if folded.endswith("*") else f"(?!{_WORD})"
    matches = _expression(pieces, before, after).match
    return lambda text: matches(fold_case(text)) is not None


class StarPatterns:
    """A set of patterns in which only `*` is special and case matters, as in filters; cheap to make and to ask.

    Nothing is compiled, because a filter may bring many patterns and is often used once.
    """

    __slots__ = ("_exact", "_prefixes", "_split")

    def __init__(self, patterns: Iterable[str]) -> None:
        self._exact = frozenset(patterns)
        stars = [pattern for pattern in self._exact if "*" in pattern]
        self._prefixes = tuple(pattern[:-1] for pattern in stars if pattern.find("*") == len(pattern) - 1)
        self._split = tuple(pattern.split("*") for pattern in stars if pattern.find("*") != len(pattern) - 1)

    def __bool__(self) -> bool:
        """Return whether there is any pattern."""
        return bool(self._exact)

    @property
    def matches_all(self) -> bool:
        """Return whether one of the patterns is a lone star."""
        return "" in self._prefixes

    def match(self, text: str) -> bool:
        """Return whether any pattern matches the whole of `text`."""
        return (
            text in self._exact
            or text.startswith(self._prefixes)
            or any(_matches_pieces(text, pieces) for pieces in self._split)
        )


def _matches_pieces(text: str, pieces: list[str]) -> bool:
    """Return whether `text` is the pieces in this order with anything between them."""
    head, tail = pieces[0], pieces[-1]
    end = len(text) - len(tail)
    if end < len(head) or not text.startswith(head) or not text.endswith(tail):
        return False
    position = len(head)
    for piece in pieces[1:-1]:
        found = text.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def contains_words(text: str, words: str) -> bool:
    """Return whether `words` stands in `text` between word boundaries; capital and small letters are the same."""
    return bool(words) and _stands_in(fold_case(text), fold_case(words))


def _stands_in(text: str, words: str) -> bool:
    """Return whether `words`, which is not empty, stands in `text` between word boundaries."""
    start = text.find(words)
    while start >= 0:
        end = start + len(words)
        if text[start - 1 : start] not in _WORD_CHARACTERS and text[end : end + 1] not in _WORD_CHARACTERS:
            return True
        start = text.find(words, start + 1)
    return False
