"""Filters that clients define once and name in requests (client-server API, "Filtering")."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from hamrasan.protocol.base64 import encode_base64_urlsafe
from hamrasan.protocol.canonical_json import encode_canonical_checked, parse_json
from hamrasan.protocol.errors import MatrixError, invalid_param, not_found, too_large
from hamrasan.protocol.filters import Filter, parse_filter
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.user_data import FilterReader, PutFilter

MAX_FILTER_BYTES = 64 * 1024
"""A filter as JSON: room for the longest list of rooms that `parse_filter` takes."""
MAX_FILTERS = 1_000
"""Filters of one user. They are kept for good, and clients define a handful; the same one again counts once."""
CACHED_FILTERS = 50_000
"""Filters in use, by user: what each active session names in every request."""
CACHED_TEXTS = 1_000
"""Filters given inline, by their text: clients of one kind send the same one."""
MAX_CACHED_TEXT = 4 * 1024
"""Longer filters are read anew each time: those of clients are much shorter, and the caches must stay small."""
_ID_BYTES = 16
"""Bytes of the content's hash that make the id: nobody finds two filters with the same one."""

EVERYTHING = parse_filter({})
"""The filter of a request that names none."""


class Filters:
    """Keeps filters and reads those that requests name."""

    def __init__(self, journal: Journal, reader: FilterReader) -> None:
        self._journal = journal
        self._reader = reader
        self._by_id: BoundedCache[tuple[str, str], Filter] = BoundedCache(CACHED_FILTERS)
        self._by_text: BoundedCache[str, Filter] = BoundedCache(CACHED_TEXTS)

    async def define(self, user_id: str, definition: dict[str, Any]) -> str:
        """Keep a filter and return its id, which is the same for the same content.

        Raises `M_BAD_JSON` if it is malformed, `M_TOO_LARGE` if it is too large or the user has too many.
        """
        parse_filter(definition)
        content = encode_canonical_checked(definition)
        if len(content) > MAX_FILTER_BYTES:
            raise too_large(f"A filter may have at most {MAX_FILTER_BYTES} bytes.")
        filter_id = encode_base64_urlsafe(sha256(content).digest()[:_ID_BYTES])
        if await self._reader.get(user_id, filter_id) is None:
            if await self._reader.count(user_id) >= MAX_FILTERS:
                raise too_large(f"A user may have at most {MAX_FILTERS} filters; please use one that exists.")
            await self._journal.submit(Batch([PutFilter(user_id, filter_id, content)]))
        return filter_id

    async def definition(self, user_id: str, filter_id: str) -> bytes:
        """Return a filter as JSON; raises `M_NOT_FOUND` if the user has no such filter."""
        content = await self._reader.get(user_id, filter_id)
        if content is None:
            raise not_found(f"There is no filter with the id '{filter_id}'.")
        return content

    async def resolve(self, user_id: str, parameter: str | None) -> Filter:
        """Return the filter that the parameter `filter` of a request means: an id, or a filter as JSON.

        From memory for what was used lately. Raises `M_INVALID_PARAM` for an unknown id and for malformed JSON,
        `M_BAD_JSON` for a malformed filter.
        """
        known = self.recall(user_id, parameter)
        if known is not None or parameter is None:
            return known or EVERYTHING
        content = await self._reader.get(user_id, parameter)
        if content is None:
            raise invalid_param(f"There is no filter with the id '{parameter}'; please define it again.")
        known = parse_filter(parse_json(content))
        if len(content) <= MAX_CACHED_TEXT:
            self._by_id.put((user_id, parameter), known)
        return known

    def recall(self, user_id: str, parameter: str | None) -> Filter | None:
        """Do what `resolve` does, from memory; None leaves it to that. Raises the same for a filter as JSON."""
        if parameter is None:
            return EVERYTHING
        if parameter.startswith("{"):
            return self._inline(parameter)
        return self._by_id.get((user_id, parameter))

    def _inline(self, text: str) -> Filter:
        known = self._by_text.get(text)
        if known is None:
            try:
                value = parse_json(text.encode())
            except MatrixError as error:
                raise invalid_param(f"The parameter 'filter': {error.message}") from None
            known = parse_filter(value)
            if len(text) <= MAX_CACHED_TEXT:
                self._by_text.put(text, known)
        return known
