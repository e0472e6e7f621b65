"""What a user was notified of (client-server API, "Listing Notifications"), found when somebody asks.

Nothing is kept for it: most people never ask, and a note for each member and message would cost more than looking once
more at the latest events of the user's rooms. What is examined for one answer is bounded; a token leads on to the rest.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from hamrasan.protocol.canonical_json import json_string
from hamrasan.protocol.push_rules.defaults import default_ruleset
from hamrasan.protocol.push_rules.evaluate import CompiledRuleset, PushActions, compile_ruleset
from hamrasan.push.reactor import FollowedThreads, IgnoredBy, PushRulesOf, ThreadsOf
from hamrasan.rooms.receipts import MAIN_THREAD
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.rendering import Reader, Renderer
from hamrasan.rooms.rule_evaluation import by_predefined_rules, evaluate_rules
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.invitations import NO_ROOM
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.storage.ports.rooms import EventReader, MembershipRow, RoomReader, StateReader, StoredEvent
from hamrasan.storage.ports.user_data import UNTHREADED, ReceiptReader

MAX_LIMIT = 100
"""Notifications in one answer."""
MAX_EXAMINED = 2_000
"""Events that are looked at for one answer (some hundredths of a second); where fewer notify than were asked for, the
answer is short and has a token."""
PAGE = 50
MEMBER = "m.room.member"


class HistoryPage(NamedTuple):
    """Notifications, the latest first."""

    notifications: list[bytes]
    """JSON objects, as the answer has them."""
    rest: Position | None
    """Up to where older ones may be; None: there are none."""


class _Found(NamedTuple):
    event: TimelineEvent
    actions: PushActions
    read: bool


class _Place:
    """How far back one room has been looked at."""

    __slots__ = ("display_name", "membership", "read", "since", "upto", "waiting")

    def __init__(self, membership: MembershipRow, upto: Position) -> None:
        self.membership = membership
        self.upto = upto
        """What comes after was looked at."""
        self.waiting: list[StoredEvent] = []
        """The next events, the oldest first."""
        self.since: Position | None = None
        """Where the user's stay began; None until it is known."""
        self.display_name: str | None = None
        self.read: Mapping[str, Position] = {}


class NotificationHistory:
    """Finds what users were notified of."""

    def __init__(
        self,
        journal: Journal,
        registry: RoomRegistry,
        rooms: RoomReader,
        events: EventReader,
        state: StateReader,
        receipts: ReceiptReader,
        renderer: Renderer,
        threads: ThreadsOf,
        push_rules: PushRulesOf,
        ignored: IgnoredBy,
        followed: FollowedThreads,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._registry = registry
        self._rooms = rooms
        self._events = events
        self._state = state
        self._receipts = receipts
        self._renderer = renderer
        self._threads = threads
        self._push_rules = push_rules
        self._ignored = ignored
        self._followed = followed
        self._clock = clock

    async def page(
        self, reader: Reader, upto: Position | None, limit: int, *, only_highlights: bool
    ) -> HistoryPage:
        """Return at most `limit` notifications of events up to a position (None: now).

        They are what the user's rules of today make of the events of the rooms in which the user is now.
        """
        upto = self._journal.durable if upto is None else min(upto, self._journal.durable)
        user_id = reader.user_id
        changed = await self._push_rules.compiled_for(user_id)
        rules = changed or compile_ruleset(default_ruleset(user_id))
        ignored = await self._ignored.ignored_by(user_id)
        slices = Slices(self._clock)
        places = await self._places(user_id, upto, slices)
        found: list[tuple[_Place, _Found]] = []
        for _ in range(MAX_EXAMINED):
            if not places or len(found) == limit:
                break
            await slices.pause()
            stored, place = await self._next(places, user_id)
            if stored is None:
                continue
            if stored.sender == user_id or stored.sender in ignored or stored.redacted_by is not None:
                continue
            event = TimelineEvent(stored)
            if changed is None and not by_predefined_rules(event, user_id)[only_highlights]:
                continue
            actions = await self._evaluate(place, event, user_id, rules)
            if actions.notify and (actions.highlight or not only_highlights):
                found.append((place, _Found(event, actions, await self._is_read(place, stored))))
        rest = -places[0][0] if places else None
        return HistoryPage(await self._render(found, reader), rest or None)

    async def _places(
        self, user_id: str, upto: Position, slices: Slices
    ) -> list[tuple[Position, int, _Place]]:
        """Return the rooms that have something up to a position, as a heap: the latest event comes first."""
        places: list[tuple[Position, int, _Place]] = []
        for row in await self._rooms.memberships(user_id):
            await slices.pause()
            if row.membership == "join":
                head = await self._events.head(row.room)
                places.append(_entry(_Place(row, min(upto, head))))
            elif row.membership == "invite" and row.position <= upto and row.room != NO_ROOM:
                places.append(_entry(_Place(row, row.position)))
        heapq.heapify(places)
        return places

    async def _next(
        self, places: list[tuple[Position, int, _Place]], user_id: str
    ) -> tuple[StoredEvent | None, _Place]:
        """Take the latest event of all rooms, with its room; None if that needs another look."""
        place = places[0][-1]
        if place.since is None:
            await self._enter(place, user_id)
        if place.waiting:
            stored = place.waiting.pop()
            place.upto = stored.position - 1
            heapq.heapreplace(places, _entry(place))
            return stored, place
        room = place.membership.room
        place.waiting = await self._events.page(room, place.since or 0, place.upto, PAGE, backwards=True)
        place.waiting.reverse()
        if place.waiting:
            heapq.heapreplace(places, _entry(place))
        else:
            heapq.heappop(places)
        return None, place

    async def _enter(self, place: _Place, user_id: str) -> None:
        """Find out since when the user is in a room, what they are called there, and how far they have read."""
        row = place.membership
        if row.membership == "invite":
            place.since = row.position - 1  # of an invitation there is nothing but itself
            return
        inside = False
        for stored in await self._state.versions(row.room, MEMBER, user_id):
            content = TimelineEvent(stored).content
            joins = content.get("membership") == "join"
            if joins and not inside:
                place.since = stored.position
            inside = joins
            name = content.get("displayname")
            place.display_name = name if isinstance(name, str) else None
        place.since = place.since or 0
        read: dict[str, Position] = {}
        for receipt in await self._receipts.of_user_in_room(user_id, row.room):
            read[receipt.thread_id] = max(read.get(receipt.thread_id, 0), receipt.event_position)
        head = await self._events.head(row.room)
        own = await self._events.last_own(row.room, place.since, head, user_id)
        read[MAIN_THREAD] = max(read.get(MAIN_THREAD, 0), own)  # sending is reading
        place.read = read

    async def _evaluate(
        self, place: _Place, event: TimelineEvent, user_id: str, rules: CompiledRuleset
    ) -> PushActions:
        room = await self._registry.get(place.membership.room_id)
        subscribed = await self._followed.subscribed(rules, event.stored, user_id)
        return evaluate_rules(room, event, user_id, rules, place.display_name, subscribed)

    async def _is_read(self, place: _Place, stored: StoredEvent) -> bool:
        if stored.position <= place.read.get(UNTHREADED, 0):
            return True
        thread = await self._threads.thread_of(stored)
        return stored.position <= place.read.get(thread, 0)

    async def _render(self, found: Sequence[tuple[_Place, _Found]], reader: Reader) -> list[bytes]:
        rendered: list[bytes] = []
        for place, (event, actions, read) in found:
            room = await self._registry.get(place.membership.room_id)
            (shown,) = await self._renderer.render(room, [event], reader, room_id=False)
            rendered.append(
                b'{"actions":%b,"event":%b,"read":%b,"room_id":%b,"ts":%d}'
                % (
                    orjson.dumps(_plain(actions)),
                    shown,
                    b"true" if read else b"false",
                    json_string(room.id),
                    event.stored.origin_server_ts,
                )
            )
        return rendered


def _plain(actions: PushActions) -> list[Any]:
    return list(actions.actions)


def _entry(place: _Place) -> tuple[Position, int, _Place]:
    """Return a room's entry in a heap: by its next event, or by where that may be."""
    upto = place.waiting[-1].position if place.waiting else place.upto
    return -upto, place.membership.room, place
