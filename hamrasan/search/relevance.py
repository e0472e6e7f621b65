"""How well a document matches what somebody searches for.

Computed from the document alone, so that it is the same on every page and for every reader: how often the terms occur,
whether as they were typed, whether next to each other as they were typed, and how much else there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hamrasan.protocol.search_text import Term

OTHER_FORM = 0.7
"""What another form of a word is worth, next to the word as it was typed."""
NEIGHBOURS = 0.5
"""What it is worth if all terms follow each other as they were typed."""
DIGITS = 6
"""Of a score: enough to order by, and the same after it was written and read."""


def relevance(words: str, terms: Sequence[Term]) -> float:
    """Return a number, the larger the better, for the words of a document that matches `terms`."""
    text = f" {words.replace(' ', '  ')} "
    total = sum(_worth(text, term) for term in terms) / len(terms)
    if len(terms) > 1 and _spaced(" ".join(" ".join(term.alternatives[0]) for term in terms)) in text:
        total += NEIGHBOURS
    return round(total / (1 + 0.1 * math.log1p(len(words))), DIGITS)


def _worth(text: str, term: Term) -> float:
    worth = 1.0
    best = 0.0
    for alternative in term.alternatives:
        count = text.count(_spaced(" ".join(alternative)))
        best = max(best, worth * (1 + count) / (2 + count) if count else 0.0)
        worth = OTHER_FORM
    return best


def _spaced(words: str) -> str:
    """Return words as they occur in a text whose words have a space on each side."""
    return f" {words.replace(' ', '  ')} "
