"""Searching messages (client-server API, "Server Side Search")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import orjson

from hamrasan.http.event_lists import reader_of, rendered
from hamrasan.http.request import Request
from hamrasan.http.response import Response, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.errors import invalid_param
from hamrasan.protocol.filters import parse_room_event_filter
from hamrasan.protocol.search_text import (
    MAX_QUERY_CHARS,
    MAX_QUERY_WORDS,
    Term,
    matching_words,
    parse_query,
    words_of,
)
from hamrasan.rooms.access import ReadableRoom
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.tokens import page_token
from hamrasan.search.messages import Found, Hit, SearchCriteria, parse_token
from hamrasan.search.sources import KEYS, searched_text

DEFAULT_LIMIT = 10
"""Results of a page where the client does not say."""
MAX_LIMIT = 50
"""Results of a page at most: each may bring events around it."""
DEFAULT_CONTEXT = 5
"""Events before and after a result (`event_context`)."""
MAX_CONTEXT = 20
"""... at most; a client that wants more asks for `/context`."""
MAX_HIGHLIGHTS = 100
"""Different words to highlight."""
WHOLE_STATE_MEMBERS = 500
"""Members up to which the state of a room comes with all of them; of larger rooms come those who sent the results."""

_Limit = Annotated[int, msgspec.Meta(ge=0)]


class ContextBody(msgspec.Struct):
    """`event_context`."""

    before_limit: _Limit = DEFAULT_CONTEXT
    after_limit: _Limit = DEFAULT_CONTEXT
    include_profile: bool = False


class GroupBody(msgspec.Struct):
    """One of `group_by`."""

    key: Literal["room_id", "sender"]


class GroupingsBody(msgspec.Struct):
    """`groupings`."""

    group_by: list[GroupBody] = []


class RoomEventsBody(msgspec.Struct):
    """`room_events`."""

    search_term: str
    keys: list[Literal["content.body", "content.name", "content.topic"]] | None = None
    filter: dict[str, Any] | None = None
    order_by: Literal["recent", "rank"] = "rank"
    event_context: ContextBody | None = None
    include_state: bool = False
    groupings: GroupingsBody | None = None


class CategoriesBody(msgspec.Struct):
    """`search_categories`."""

    room_events: RoomEventsBody | None = None


class SearchBody(msgspec.Struct):
    """Body of `search`."""

    search_categories: CategoriesBody


async def search(request: Request, services: Services) -> Response:
    """Return what was found, with what the client wants to see around it."""
    wanted = request.decode(SearchBody).search_categories.room_events
    if wanted is None:
        return ok({"search_categories": {}})
    criteria = _criteria(request, wanted)
    text = request.query.one("next_batch")
    found = await services.message_search.find(criteria, None if text is None else parse_token(text))
    readers = await _readers(request, services, found.hits)
    answer: dict[str, Any] = {
        "count": found.count,
        "highlights": _highlights(criteria.terms, found.hits),
        "results": [await _result(services, hit, readers, wanted.event_context) for hit in found.hits],
    }
    if wanted.include_state:
        answer["state"] = await _states(services, found.hits, readers)
    if wanted.groupings is not None and wanted.groupings.group_by:
        answer["groups"] = _groups(found, [group.key for group in wanted.groupings.group_by])
    if found.next is not None:
        answer["next_batch"] = str(found.next)
    return ok({"search_categories": {"room_events": answer}})


def _criteria(request: Request, wanted: RoomEventsBody) -> SearchCriteria:
    """Return what is searched for; raise `M_INVALID_PARAM` for more than anybody means, `M_BAD_JSON` for the filter."""
    if len(wanted.search_term) > MAX_QUERY_CHARS:
        raise invalid_param(f"A search term may have at most {MAX_QUERY_CHARS} characters.")
    terms = parse_query(wanted.search_term)
    if len(words_of(terms)) > MAX_QUERY_WORDS * 2 or len(terms) > MAX_QUERY_WORDS:
        raise invalid_param(f"A search term may have at most {MAX_QUERY_WORDS} words.")
    raw = wanted.filter or {}
    event_filter = parse_room_event_filter(raw)
    types = frozenset(KEYS.values() if wanted.keys is None else (KEYS[key] for key in wanted.keys))
    return SearchCriteria(
        user_id=request.requester.user_id,
        terms=terms,
        types=frozenset(event_type for event_type in types if event_filter.matches_type(event_type)),
        wanted=event_filter,
        senders=raw.get("senders"),
        by_relevance=wanted.order_by == "rank",
        limit=event_filter.effective_limit(DEFAULT_LIMIT, MAX_LIMIT),
    )


async def _readers(request: Request, services: Services, hits: Sequence[Hit]) -> dict[str, Reader]:
    rooms = {hit.readable.room.id: hit.readable.room for hit in hits}
    return {room_id: await reader_of(request, services, room) for room_id, room in rooms.items()}


async def _result(
    services: Services, hit: Hit, readers: dict[str, Reader], context: ContextBody | None
) -> dict[str, Any]:
    room = hit.readable.room
    reader = readers[room.id]
    event = orjson.Fragment(await services.renderer.render_one(room, hit.event, reader))
    result: dict[str, Any] = {"rank": hit.score, "result": event}
    if context is not None:
        result["context"] = await _context(services, hit, reader, context)
    return result


async def _context(services: Services, hit: Hit, reader: Reader, wanted: ContextBody) -> dict[str, Any]:
    """Return what stands around a result."""
    readable, position = hit.readable, hit.event.stored.position
    timeline, room = services.timeline, hit.readable.room
    limits = (min(wanted.before_limit, MAX_CONTEXT), min(wanted.after_limit, MAX_CONTEXT))
    before = await timeline.page(readable, reader, position - 1, limits[0], backwards=True)
    after = await timeline.page(readable, reader, position, limits[1], backwards=False)
    oldest = before.events[-1].stored.position if before.events else position
    newest = after.events[-1].stored.position if after.events else position
    context: dict[str, Any] = {
        "start": page_token(oldest - 1),
        "end": page_token(newest),
        "events_before": await rendered(services, room, before.events, reader),
        "events_after": await rendered(services, room, after.events, reader),
    }
    if wanted.include_profile:
        shown = [*before.events, hit.event, *after.events]
        members = await timeline.senders(room, shown, newest)
        context["profile_info"] = {
            member.stored.state_key: {
                name: value
                for name in ("displayname", "avatar_url")
                if isinstance(value := member.content.get(name), str)
                and (name == "displayname" or value.startswith("mxc://"))
            }
            for member in members
        }
    return context


async def _states(services: Services, hits: Sequence[Hit], readers: dict[str, Reader]) -> dict[str, Any]:
    """Return the state of each room that was found something in, as far as the finder may know it."""
    states: dict[str, Any] = {}
    by_room: dict[str, list[Hit]] = {}
    for hit in hits:
        by_room.setdefault(hit.readable.room.id, []).append(hit)
    for room_id, found in by_room.items():
        readable = found[0].readable
        lazy = not _is_small(readable)
        wanted = parse_room_event_filter({"lazy_load_members": lazy})
        state = await services.timeline.state_for(
            readable, [hit.event for hit in found], readable.upto, wanted
        )
        states[room_id] = await rendered(services, readable.room, state, readers[room_id])
    return states


def _is_small(readable: ReadableRoom) -> bool:
    return len(readable.room.members) <= WHOLE_STATE_MEMBERS


def _groups(found: Found, keys: Sequence[str]) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    for key in dict.fromkeys(keys):
        of_key: dict[str, Any] = {}
        for hit in found.hits:
            stored = hit.event.stored
            value = hit.readable.room.id if key == "room_id" else stored.sender
            if value not in of_key:
                of_key[value] = {"order": len(of_key) + 1, "results": []}
                if found.next is not None:
                    of_key[value]["next_batch"] = str(found.next.of_group(key, value))
            of_key[value]["results"].append(stored.event_id)
        groups[key] = of_key
    return groups


def _highlights(terms: Sequence[Term], hits: Sequence[Hit]) -> list[str]:
    """Return the words that were found, as they are written where they were found."""
    looked_for = words_of(terms)
    words: dict[str, None] = {}
    for hit in hits:
        text = searched_text(hit.event.stored.type, hit.event.content)
        for word in matching_words(text, looked_for):
            words[word] = None
            if len(words) == MAX_HIGHLIGHTS:
                return list(words)
    return list(words)


ROUTES = [
    Route(
        "POST",
        "/_matrix/client/v3/search",
        search,
        "search",
        Auth.USER,
        RateClass.SEARCH,
        Body.JSON_OBJECT,
    ),
]
