"""Notes who is to be told of what: follows the events and evaluates the rules of those who have pushers.

Nothing here is on the way of a message; a crash loses nothing, since what is noted becomes durable with the cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.push_rules.defaults import default_ruleset
from hamrasan.protocol.push_rules.evaluate import (
    NOTHING,
    CompiledRuleset,
    PushActions,
    compile_ruleset,
)
from hamrasan.push.audience import Audiences
from hamrasan.push.pushers import Pushers
from hamrasan.rooms.followers import EventFeed, FollowedEvent, Follower
from hamrasan.rooms.receipts import MAIN_THREAD
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.rule_evaluation import by_predefined_rules, evaluate_rules
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.cursors import CursorReader
from hamrasan.storage.ports.journal import Batch, Journal, Write
from hamrasan.storage.ports.push import NewWaitingPush, PushesNoted, TrimWaitingPushes
from hamrasan.storage.ports.rooms import RoomReader, StateReader, StoredEvent

CURSOR = "push"
WRITTEN_AT_ONCE = 500
"""Notifications in one commit (some milliseconds of it): an event of a large room takes several."""
MAX_WAITING = 100
"""What waits for one user: a phone that comes back after days is better served by its next sync than by more."""
MEMBER = "m.room.member"
CACHED_RULES = 10_000
"""Users whose predefined rules are kept compiled (each some KiB): those who were notified lately."""


_log = get_logger(__name__)


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


class FollowedThreads:
    """Finds what a user's rules ask of an event's thread."""

    def __init__(self, threads: ThreadsOf, subscriptions: Subscriptions) -> None:
        self._threads = threads
        self._subscriptions = subscriptions

    async def subscribed(self, rules: CompiledRuleset, stored: StoredEvent, user_id: str) -> bool | None:
        """Return whether a user follows the thread of an event; None for an event in none, and if no rule asks."""
        if not rules.asks_threads or stored.rel_type is None:
            return None
        thread = await self._threads.thread_of(stored)
        return None if thread == MAIN_THREAD else await self._subscriptions.is_subscribed(user_id, thread)


class PushReactor:
    """Notes notifications of users with pushers."""

    def __init__(
        self,
        journal: Journal,
        feed: EventFeed,
        cursors: CursorReader,
        registry: RoomRegistry,
        rooms: RoomReader,
        state: StateReader,
        pushers: Pushers,
        push_rules: PushRulesOf,
        ignored: IgnoredBy,
        followed: FollowedThreads,
        clock: Clock,
    ) -> None:
        self._followed = followed
        self._journal = journal
        self._registry = registry
        self._state = state
        self._pushers = pushers
        self._push_rules = push_rules
        self._ignored = ignored
        self._clock = clock
        self._audiences = Audiences(pushers, rooms, clock)
        self._predefined: BoundedCache[str, CompiledRuleset] = BoundedCache(CACHED_RULES)
        self._noted: dict[str, int] = {}
        """How much was noted for each user since it was last trimmed, or since everything was pushed."""
        self._follower = Follower(CURSOR, feed, journal, cursors, self.handle)

    async def run(self) -> None:
        """Follow the events until cancelled."""
        await self._pushers.load()
        await self._follower.run()

    def all_pushed(self, user_id: str) -> None:
        """Nothing waits for a user any more."""
        self._noted.pop(user_id, None)

    async def handle(self, events: Sequence[FollowedEvent]) -> Batch | None:
        """Return what is to be written because of these events; much of it is written on the way."""
        await self._audiences.refresh()
        if not self._pushers.users:
            return None
        slices = Slices(self._clock)
        writes: list[Write] = []
        for room_id, stored in events:
            await slices.pause()
            try:
                room = await self._registry.get(room_id)
            except MatrixError:
                continue  # the room is gone
            event = TimelineEvent(stored)
            for user_id in await self._concerned(room, event):
                await slices.pause()
                try:
                    actions = await self._evaluate(room, event, user_id)
                except MatrixError:
                    raise
                except Exception as error:
                    # One event that nobody foresaw must not end all notifications for ever.
                    _log.error("push rules failed on an event", event_id=stored.event_id, exc_info=error)
                    continue
                if actions.notify:
                    self._note(writes, room_id, stored, user_id, actions)
                if len(writes) >= WRITTEN_AT_ONCE:
                    # If the cursor is not saved after this, the same is noted again, which changes nothing.
                    await self._journal.submit(_noting(writes))
                    writes = []
        return _noting(writes) if writes else None

    async def _concerned(self, room: Room, event: TimelineEvent) -> Sequence[str]:
        """Return those with pushers who are in the room, or invited into it by this event; never its sender."""
        stored, target = event.stored, event.stored.state_key
        audience, users = await self._audiences.of(room), self._pushers.users
        concerned = [user_id for user_id in audience if user_id != stored.sender and user_id in users]
        if stored.type == MEMBER and target is not None:
            if target not in audience and target != stored.sender and target in users:
                concerned.append(target)
            self._audiences.moved(room.id, target, event.content.get("membership"))
        return concerned

    async def _evaluate(self, room: Room, event: TimelineEvent, user_id: str) -> PushActions:
        """Return what a user's rules do for an event."""
        rules = await self._push_rules.compiled_for(user_id)
        if rules is None and not by_predefined_rules(event, user_id)[0]:
            return NOTHING
        stored = event.stored
        if stored.sender in await self._ignored.ignored_by(user_id):
            return NOTHING
        member = room.members.get(user_id)
        membership: object = None if member is None else member.membership
        display_name: str | None = None
        if rules is not None or (member is not None and member.position > stored.position):
            membership, display_name = await self._stay(room, stored, user_id)
        is_own_invite = membership == "invite" and stored.state_key == user_id and stored.type == MEMBER
        if membership != "join" and not is_own_invite:
            return NOTHING
        rules = rules or self._predefined_for(user_id)
        subscribed = await self._followed.subscribed(rules, stored, user_id)
        return evaluate_rules(room, event, user_id, rules, display_name, subscribed)

    async def _stay(self, room: Room, stored: StoredEvent, user_id: str) -> tuple[object, str | None]:
        """Return a user's membership when an event came, and what they were called."""
        for member in await self._state.at(room.number, stored.position, [(MEMBER, user_id)]):
            content = TimelineEvent(member).content
            name = content.get("displayname")
            return content.get("membership"), name if isinstance(name, str) else None
        return None, None

    def _predefined_for(self, user_id: str) -> CompiledRuleset:
        rules = self._predefined.get(user_id)
        if rules is None:
            rules = compile_ruleset(default_ruleset(user_id))
            self._predefined.put(user_id, rules)
        return rules

    def _note(
        self, writes: list[Write], room_id: str, stored: StoredEvent, user_id: str, actions: PushActions
    ) -> None:
        tweaks = encode_json(dict(actions.tweaks))
        writes.append(NewWaitingPush(user_id, stored.position, room_id, tweaks, self._clock.now_ms()))
        noted = self._noted[user_id] = self._noted.get(user_id, 0) + 1
        if noted >= 2 * MAX_WAITING:
            writes.append(TrimWaitingPushes(user_id, MAX_WAITING))
            self._noted[user_id] = MAX_WAITING


def _noting(writes: list[Write]) -> Batch:
    users = dict.fromkeys(write.user_id for write in writes if isinstance(write, NewWaitingPush))
    return Batch(writes, feed=[PushesNoted(tuple(users))])
