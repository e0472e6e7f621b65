"""Text as it is searched: what people mean to be the same word becomes the same string.

Matrix prescribes no such rules ("Server Side Search"); these are for Persian, Arabic and English, and harm no other
language. Both sides go through here, what is looked through (`indexed_words`) and what is looked for (`parse_query`).

- Case, compatibility forms (full width, ligatures, the presentation forms of old Arabic fonts) and accents do not
  count, nor do vowel signs, hamzas on their carriers, tatweel and the marks of direction.
- One letter for what two keyboards write: ي, ى, ئ are ی; ك is ک; ة, ۀ are ه; أ, إ, آ, ٱ are ا; ؤ is و. A lone ء goes.
- Digits of all three kinds are Latin ones.
- A word with half-spaces is found whole, by its parts, and written with spaces: «می‌روم» by «میروم», «می روم» and «روم».
  Where a space stands for a half-space by all likelihood («می روم», «کتاب ها»), it is read as one.
- A plural is found by the word: «کتابها» by «کتاب», "messages" by "message"; a noun with the Arabic article without it.

Symbols, emoji among them, are words of their own, and so are the characters of Chinese and Japanese, which have no
spaces between words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

MAX_QUERY_CHARS = 500
"""Of what somebody searches for: a long sentence. Whoever pastes more is looking for something else."""
MAX_QUERY_WORDS = 20
"""Words that are looked for; every one of them is a walk through the index."""
MAX_WORD_CHARS = 40
"""Words are compared up to here: longer ones are addresses and keys, which nobody types."""
MAX_WORDS = 4_000
"""Words of one text that are looked at: some twenty pages."""

_HALF_SPACE = "\u200c"
_DROPPED = frozenset(
    [
        *(0x0640, 0x0621, 0x0670, 0x00AD, 0x034F, 0x200D, 0xFEFF, 0x061C, 0x200E, 0x200F),
        *range(0x0300, 0x0370),
        *range(0x0610, 0x061B),
        *range(0x064B, 0x0660),
        *range(0x06D6, 0x06DD),
        *range(0x06DF, 0x06E9),
        *range(0x06EA, 0x06EE),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFE00, 0xFE10),
    ]
)
"""Accents, vowel signs, tatweel, lone hamza, joiners and marks of direction."""
_LETTERS = {
    0x064A: "ی",
    0x0649: "ی",
    0x06D2: "ی",
    0x0643: "ک",
    0x06AA: "ک",
    0x0629: "ه",
    0x06D5: "ه",
    0x06C1: "ه",
    0x06BE: "ه",
    0x0671: "ا",
    0x200C: _HALF_SPACE,
}
_LAST_FOLDED = 0x323AF
"""Beyond the last letter of Unicode; what lies there is not remembered in the table."""

_ASCII_FOLDING = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}


class _Folding(dict[int, str]):
    """What each character becomes, filled as characters are met. They have been decomposed before."""

    def __missing__(self, code: int) -> str:
        folded = _folded(code)
        if code <= _LAST_FOLDED:
            self[code] = folded
        return folded


def _folded(code: int) -> str:
    if code < len(_ASCII_FOLDING):
        return _ASCII_FOLDING[code]
    if code in _DROPPED:
        return ""
    if code in _LETTERS:
        return _LETTERS[code]
    character = chr(code)
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("So", "Sk") or _stands_alone(code):
        return f" {character} "
    return character if category[0] in "LNM" else " "


def _stands_alone(code: int) -> bool:
    """Return whether a character is one of Chinese or Japanese."""
    return 0x3041 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF or 0x20000 <= code <= _LAST_FOLDED


_FOLDING = _Folding()

_PREFIXES = frozenset({"می", "نمی"})
"""Of verbs: what follows belongs to them."""
_SUFFIXES = frozenset(
    (
        *("ها", "های", "هایی", "هایم", "هایت", "هایش", "هایمان", "هایتان", "هایشان"),
        *("تر", "ترین", "ام", "ات", "اش", "اند", "ایم", "اید"),
    )
)
"""What belongs to the word before it."""
_PLURALS = re.compile(r"(?P<stem>\w{2,})ها(?:ی(?:ی|م|ت|ش|مان|تان|شان)?)?")
_ARTICLE = "ال"
_MIN_WITH_ARTICLE = 5

_SPACES = re.compile(r"\s+")
_QUOTED = re.compile(r'"([^"]*)"|«([^»]*)»|“([^”]*)”')


class Term(NamedTuple):
    """Something that has to be in a text: any of `alternatives`, each a sequence of words that follow each other."""

    alternatives: tuple[tuple[str, ...], ...]


def fold(text: str) -> str:
    """Return `text` in the one form in which it is compared, words separated by spaces; half-spaces stay."""
    if text.isascii():
        return text.translate(_ASCII_FOLDING)
    return unicodedata.normalize("NFKD", text).casefold().translate(_FOLDING)


def indexed_words(text: str) -> list[str]:
    """Return the words under which a text is found: first its own in their order, then other forms of them."""
    own: list[str] = []
    others: dict[str, None] = {}
    for parts in _compounds(text):
        if len(parts) == 1:
            joined = parts[0]
            own.append(joined)
        else:
            joined = "".join(parts)[:MAX_WORD_CHARS]
            own += parts
            others[joined] = None
        if ("ها" in joined or joined[-1] == "s" or joined[0] == "ا") and (stem := _stem(joined)) is not None:
            others[stem] = None
    return own[:MAX_WORDS] + list(others)


def parse_query(text: str) -> list[Term]:
    """Return what a text must have in it to be found; no terms if `text` has no word in it.

    Every word counts, in any order; words in quotes have to follow each other.
    """
    terms: dict[Term, None] = {}
    rest = 0
    for match in _QUOTED.finditer(text):
        _add_words(terms, text[rest : match.start()])
        words = tuple(
            part for parts in _words(next(g for g in match.groups() if g is not None)) for part in parts
        )
        if words:
            terms[Term((words,))] = None
        rest = match.end()
    _add_words(terms, text[rest:])
    return list(terms)


def _add_words(terms: dict[Term, None], text: str) -> None:
    for parts in _compounds(text):
        joined = "".join(parts)[:MAX_WORD_CHARS]
        alternatives = [(joined,)] if len(parts) == 1 else [(joined,), tuple(parts)]
        if (stem := _stem(joined)) is not None:
            alternatives.append((stem,))
        terms[Term(tuple(alternatives))] = None


def words_of(terms: Iterable[Term]) -> frozenset[str]:
    """Return all words that a text may be found by."""
    return frozenset(word for term in terms for alternative in term.alternatives for word in alternative)


def matching_words(text: str, looked_for: frozenset[str]) -> Iterator[str]:
    """Yield, as they are written in `text`, the words by which it was found; for clients to highlight."""
    before, before_alone = "", False
    for raw in _SPACES.split(text)[:MAX_WORDS]:
        for word in _written(raw):
            alone = not looked_for.isdisjoint(indexed_words(word))
            if alone:
                yield word
            elif before and not before_alone and not looked_for.isdisjoint(indexed_words(f"{before} {word}")):
                yield f"{before} {word}"
            before, before_alone = word, alone


def _written(raw: str) -> Iterator[str]:
    """Yield the words of what stands between two spaces, without the punctuation around them."""
    word = ""
    for character in raw:
        if fold(character).isspace():
            if word:
                yield word
            word = ""
        else:
            word += character
    if word:
        yield word


def _words(text: str) -> Iterator[list[str]]:
    """Yield the words of a text as their parts between half-spaces."""
    for word in fold(text).split(maxsplit=MAX_WORDS)[:MAX_WORDS]:
        if _HALF_SPACE not in word:
            yield [word[:MAX_WORD_CHARS]]
        elif parts := [part[:MAX_WORD_CHARS] for part in word.split(_HALF_SPACE) if part]:
            yield parts


def _compounds(text: str) -> list[list[str]]:
    """Return the words of a text as their parts, with those put together between which a half-space is missing."""
    found: list[list[str]] = []
    verb = False
    for parts in _words(text):
        if verb or (found and parts[0] in _SUFFIXES):
            found[-1] += parts
            verb = False
        else:
            found.append(parts)
            verb = len(parts) == 1 and parts[0] in _PREFIXES
    return found


def _stem(word: str) -> str | None:
    """Return the word that an inflected form is found by, too."""
    if word.isascii():
        return _english_stem(word) if word[-1] == "s" and len(word) > 3 else None
    if "ها" in word and (match := _PLURALS.fullmatch(word)) is not None:
        return match["stem"]
    if word.startswith(_ARTICLE) and len(word) >= _MIN_WITH_ARTICLE:
        return word[len(_ARTICLE) :]
    return None


def _english_stem(word: str) -> str | None:
    if not word.isalpha() or word.endswith(("ss", "us", "is")):
        return None
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "xes", "ches", "shes")) else word[:-1]
