"""Unread counts (client-server API, "Receiving notifications"), computed when they are read.

Nothing is written per member. What an event means under the default rules was noted once, in its flags; a reader's
counts are carried on from the last time they were asked for, over the events that came since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.push_rules.evaluate import CompiledRuleset
from hamrasan.protocol.relations import THREAD
from hamrasan.rooms.room import Room
from hamrasan.rooms.rule_evaluation import by_predefined_rules, evaluate_rules
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import EventReader, StateReader, StoredEvent
from hamrasan.storage.ports.user_data import UNTHREADED, ReceiptReader

MAX_COUNTED = 10_000
"""Latest events that are looked at: beyond it a count says "very many" anyway."""
PAGE = 250
"""Events read and counted at once: some milliseconds."""
MAIN = "main"
"""The thread id of receipts for what is in no thread."""


class PushRulesOf(Protocol):
    """Knows users' push rules."""

    async def compiled_for(self, user_id: str) -> CompiledRuleset | None:
        """Return the user's rules, None where they are the predefined ones."""


class IgnoredBy(Protocol):
    """Knows whom users ignore."""

    async def ignored_by(self, user_id: str) -> frozenset[str]:
        """Return the users whom `user_id` ignores."""


class ThreadsOf(Protocol):
    """Knows which thread an event is part of."""

    async def thread_of(self, stored: StoredEvent) -> str:
        """Return the root of the thread that an event is part of, or `main`."""


class Subscriptions(Protocol):
    """Knows which threads users follow."""

    async def is_subscribed(self, user_id: str, thread_root: str) -> bool:
        """Return whether a user follows a thread."""


class UnreadState:
    """One reader's counts in one room, up to a position."""

    __slots__ = (
        "display_name",
        "followed",
        "highlights",
        "ignored",
        "notifications",
        "read",
        "rules",
        "threads",
        "upto",
    )

    def __init__(
        self,
        read: dict[str, Position],
        upto: Position,
        rules: CompiledRuleset | None,
        ignored: frozenset[str],
        display_name: str | None,
    ) -> None:
        self.read = read
        """Positions read up to, by thread; `UNTHREADED` covers all."""
        self.upto = upto
        self.rules = rules
        """The reader's push rules, None for the predefined ones. Whoever changes them drops the state."""
        self.ignored = ignored
        """Whom the reader ignores; likewise."""
        self.display_name = display_name
        """What the reader is called in the room, for rules that ask for it; likewise."""
        self.followed: dict[str, bool] = {}
        """Whether the reader follows the threads that were counted, where the rules ask for it; likewise."""
        self.notifications = 0
        self.highlights = 0
        self.threads: dict[str, list[int]] = {}
        """[notifications, highlights] of each thread, without those of the main timeline."""

    def copy(self) -> UnreadState:
        """Return the same counts, to be carried on apart."""
        other = UnreadState(self.read, self.upto, self.rules, self.ignored, self.display_name)
        other.followed = self.followed.copy()
        other.notifications, other.highlights = self.notifications, self.highlights
        other.threads = {root: counts.copy() for root, counts in self.threads.items()}
        return other

    def total(self) -> tuple[int, int]:
        """Return (notifications, highlights) of the room with its threads."""
        if not self.threads:
            return self.notifications, self.highlights
        threads = self.threads.values()
        return (
            self.notifications + sum(counts[0] for counts in threads),
            self.highlights + sum(counts[1] for counts in threads),
        )

    def is_unsure_of(self, thread: str) -> bool:
        """Return whether it has to be found out if the reader follows a thread before its events are counted."""
        rules = self.rules
        return rules is not None and rules.asks_threads and thread != MAIN and thread not in self.followed

    def is_read(self, position: Position, thread: str) -> bool:
        """Return whether a receipt covers an event."""
        return position <= self.read.get(UNTHREADED, 0) or position <= self.read.get(thread, 0)

    def add(self, thread: str, highlight: bool) -> None:
        """Count one event that notifies."""
        if thread == MAIN:
            self.notifications += 1
            self.highlights += highlight
        else:
            counts = self.threads.setdefault(thread, [0, 0])
            counts[0] += 1
            counts[1] += highlight

    def sent_own(self, thread: str) -> None:
        """The reader sent an event: what stands before it in the same timeline is read."""
        if thread == MAIN:
            self.notifications = self.highlights = 0
        else:
            self.threads.pop(thread, None)


class UnreadCounter:
    """Brings readers' counts up to date."""

    def __init__(
        self,
        events: EventReader,
        state: StateReader,
        receipts: ReceiptReader,
        push_rules: PushRulesOf,
        ignored: IgnoredBy,
        threads: ThreadsOf,
        subscriptions: Subscriptions,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._subscriptions = subscriptions
        self._threads = threads
        self._events = events
        self._state = state
        self._receipts = receipts
        self._push_rules = push_rules
        self._ignored = ignored

    async def count(
        self, states: dict[str, UnreadState], room: Room, user_id: str, upto: Position
    ) -> UnreadState:
        """Return the counts of `user_id` in `room` up to `upto`; `states` keeps them from call to call."""
        known = self.count_now(states, room, user_id, upto)
        if known is not None:
            return known
        known = states.get(room.id)
        if known is None or known.upto > upto:
            known = states[room.id] = await self._begin(room, user_id)
        after = known.upto
        if after < room.durable_head and after < upto:
            counted = known.copy()
            await self._count_between(counted, room, user_id, upto)
            if states.get(room.id) is not known or known.upto != after:
                # Read or counted meanwhile, for another device.
                return await self.count(states, room, user_id, upto)
            known = states[room.id] = counted
        return known

    async def _count_between(self, counted: UnreadState, room: Room, user_id: str, upto: Position) -> None:
        """Carry counts on over events that are not all in memory, giving others their turn."""
        slices = Slices(self._clock)
        await slices.pause()
        page = await self._events.page(room.number, counted.upto, upto, PAGE, backwards=True)
        if len(page) == PAGE:
            before = page[-1].position - 1
            if counted.rules is None:
                await self._count_stored(counted, room, user_id, before)
            else:
                await self._evaluate_stored(counted, room, user_id, before, slices)
        await self._count_page(counted, room, user_id, page[::-1])
        counted.upto = upto

    async def _count_page(
        self, counted: UnreadState, room: Room, user_id: str, page: Sequence[StoredEvent]
    ) -> None:
        for stored in page:
            event = TimelineEvent(stored)
            indirect = _is_indirect(event, counted, user_id)
            thread = await self._threads.thread_of(stored) if indirect else _thread(event)
            if counted.is_unsure_of(thread):
                counted.followed[thread] = await self._subscriptions.is_subscribed(user_id, thread)
            self._add(counted, room, event, user_id, thread)

    async def _evaluate_stored(
        self, counted: UnreadState, room: Room, user_id: str, upto: Position, slices: Slices
    ) -> None:
        """Count by rules that the reader has changed: each event has to be looked at."""
        pages: list[Sequence[StoredEvent]] = []
        while len(pages) < MAX_COUNTED // PAGE:
            await slices.pause()
            page: Sequence[StoredEvent] = await self._events.page(
                room.number, counted.upto, upto, PAGE, backwards=True
            )
            pages.append(page[::-1])
            if len(page) < PAGE:
                break
            upto = page[-1].position - 1
        for page in reversed(pages):
            await slices.pause()
            await self._count_page(counted, room, user_id, page)

    async def _count_stored(self, counted: UnreadState, room: Room, user_id: str, upto: Position) -> None:
        """Count by the predefined rules: nearly all events are plain messages, which the store counts by itself."""
        events = self._events
        after = max(counted.upto, await events.latest(room.number, upto, MAX_COUNTED))
        own, notable = await events.notable(room.number, after, upto, user_id)
        read = max(after, own, counted.read.get(UNTHREADED, 0), counted.read.get(MAIN, 0))
        if own:
            counted.sent_own(MAIN)
        for stored in notable:
            event = TimelineEvent(stored)
            indirect = _is_indirect(event, counted, user_id)
            thread = await self._threads.thread_of(stored) if indirect else _thread(event)
            if thread == MAIN and stored.sender == user_id:
                read = max(read, stored.position)
            if thread != MAIN or stored.position >= own:
                self._add(counted, room, event, user_id, thread)
        not_of = counted.ignored | {user_id}
        counted.notifications += await events.count_plain(room.number, read, upto, not_of)

    def count_now(
        self, states: dict[str, UnreadState], room: Room, user_id: str, upto: Position
    ) -> UnreadState | None:
        """Return the same as `count` if memory has it, else None."""
        known = states.get(room.id)
        if known is None or known.upto > upto or known.upto < room.tail_start:
            return None
        if known.upto < upto and known.upto < room.durable_head:
            events = room.tail_between(known.upto, upto)
            for event in events:
                if event.stored.rel_type is not None and (
                    _is_indirect(event, known, user_id) or known.is_unsure_of(_thread(event))
                ):
                    return None
            for event in events:
                self._add(known, room, event, user_id, _thread(event))
            known.upto = upto
        return known

    def _add(self, known: UnreadState, room: Room, event: TimelineEvent, user_id: str, thread: str) -> None:
        stored = event.stored
        if stored.sender == user_id:
            known.sent_own(thread)
        elif (
            stored.redacted_by is None
            and stored.sender not in known.ignored
            and not known.is_read(stored.position, thread)
        ):
            if known.rules is None:
                notifies, highlights = by_predefined_rules(event, user_id)
            else:
                followed = known.followed.get(thread)
                actions = evaluate_rules(room, event, user_id, known.rules, known.display_name, followed)
                notifies, highlights = actions.notify, actions.highlight
            if notifies:
                known.add(thread, highlights)

    async def _begin(self, room: Room, user_id: str) -> UnreadState:
        """Return counts of zero at the position from which on something can be unread."""
        read: dict[str, Position] = {}
        for row in await self._receipts.of_user_in_room(user_id, room.number):
            read[row.thread_id] = max(read.get(row.thread_id, 0), row.event_position)
        floor, display_name = await self._stay(room, user_id)
        return UnreadState(
            read,
            max(floor, read.get(UNTHREADED, 0)),
            await self._push_rules.compiled_for(user_id),
            await self._ignored.ignored_by(user_id),
            display_name,
        )

    async def _stay(self, room: Room, user_id: str) -> tuple[Position, str | None]:
        """Return where the user's present stay in the room began, and what they are called there.

        Not simply their membership: changes of the profile are memberships too, and threads stay unread over them.
        """
        since: Position = 0
        inside = False
        display_name: object = None
        for stored in await self._state.versions(room.number, "m.room.member", user_id):
            content = parse_json(stored.content)
            joins = content.get("membership") == "join"
            if joins and not inside:
                since = stored.position
            inside = joins
            display_name = content.get("displayname")
        return since, display_name if isinstance(display_name, str) else None


def _thread(event: TimelineEvent) -> str:
    """Return the thread of an event that says itself which one it is part of."""
    stored = event.stored
    return stored.relates_to if stored.rel_type == THREAD and stored.relates_to is not None else MAIN


def _is_indirect(event: TimelineEvent, known: UnreadState, user_id: str) -> bool:
    """Return whether the thread of an event is that of what it relates to, and matters for the reader's counts."""
    stored = event.stored
    if stored.rel_type is None or stored.rel_type == THREAD or stored.relates_to is None:
        return False
    return stored.sender == user_id or known.rules is not None or stored.flags != 0
