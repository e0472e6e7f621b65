"""Searching people (client-server API, "User Directory"): those one shares a room with, or who are in public rooms."""

from __future__ import annotations

from typing import NamedTuple

from hamrasan.protocol.errors import invalid_param, unavailable
from hamrasan.protocol.search_text import MAX_QUERY_CHARS, MAX_QUERY_WORDS, fold
from hamrasan.search.indexer import Indexer
from hamrasan.storage.ports.search import Person, SearchIndex, SearchIndexDamaged, SearchIndexUnavailable

DEFAULT_LIMIT = 10
"""As the specification has it."""
MAX_LIMIT = 50
"""People of one answer at most: whoever is not among them is found by another letter."""


class FoundPeople(NamedTuple):
    """People by rank, and whether there are more."""

    people: list[Person]
    limited: bool


class PeopleSearch:
    """Answers searches for people."""

    def __init__(self, index: SearchIndex, indexer: Indexer) -> None:
        self._index = index
        self._indexer = indexer

    async def find(self, viewer: str, text: str, limit: int) -> FoundPeople:
        """Return people that `viewer` may find, by the beginnings of the words of their names or user ids.

        Raises `M_INVALID_PARAM` for a text that is too long.
        """
        if len(text) > MAX_QUERY_CHARS:
            raise invalid_param(f"A search term may have at most {MAX_QUERY_CHARS} characters.")
        limit = min(limit, MAX_LIMIT)
        try:
            found = await self._find(viewer, text.strip(), limit + 1)
        except SearchIndexDamaged:
            self._indexer.doubt()
            raise unavailable("The search index is being made anew; please try again later.") from None
        except SearchIndexUnavailable:
            raise unavailable("Nothing can be searched now; please try again later.") from None
        return FoundPeople(found[:limit], len(found) > limit)

    async def _find(self, viewer: str, text: str, limit: int) -> list[Person]:
        local, colon, _ = text.partition(":")
        if not text.startswith("@") or not colon:
            words = _words(text)
            return await self._index.people(words, viewer, limit) if words else []
        exact = await self._index.person(text.casefold(), viewer)
        others = await self._index.people(words, viewer, limit) if (words := _words(local)) else []
        known = [] if exact is None or exact.user_id == viewer else [exact]
        return known + [
            p for p in others if p not in known and p.user_id.casefold().startswith(text.casefold())
        ]


def _words(text: str) -> list[str]:
    return fold(text.replace("\u200c", "")).split()[:MAX_QUERY_WORDS]
