"""The state in a room's part of an answer of sliding sync, and what is computed from it: names, heroes, counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.event import StateKey
from hamrasan.rooms.heroes import heroes
from hamrasan.rooms.history import MEMBER
from hamrasan.rooms.rendering import Renderer
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import EventReader, MembershipRow, StateReader, StoredEvent
from hamrasan.sync.room_state import RoomStates
from hamrasan.sync.sliding.connections import SentRoom
from hamrasan.sync.sliding.lists import Chosen
from hamrasan.sync.sliding.required_state import StateChoice
from hamrasan.sync.sliding.scope import Scope
from hamrasan.sync.timelines import SyncTimeline

NAME, AVATAR = ("m.room.name", ""), ("m.room.avatar", "")
RENDERED_AT_ONCE = 500
"""State events rendered without a look at the time (about a millisecond)."""


@dataclass(slots=True)
class RoomUpdate:
    """What a client is told of a room's state."""

    required: list[TimelineEvent] = field(default_factory=list)
    own: list[TimelineEvent] = field(default_factory=list)
    """The user's own membership, of a room that they have left."""
    name: str | None = None
    name_changed: bool = False
    avatar: str | None = None
    avatar_changed: bool = False
    heroes: list[dict[str, Any]] = field(default_factory=list)
    """Empty where they are not needed or have not changed."""
    counts: tuple[int, int] | None = None
    """(joined, invited), None if they have not changed."""


class RequiredStates:
    """Finds out what of a room's state a client has to be told."""

    def __init__(self, events: EventReader, state: StateReader, renderer: Renderer, clock: Clock) -> None:
        self._events = events
        self._state = state
        self._renderer = renderer
        self._changes = RoomStates(state)
        self._clock = clock

    async def update(
        self, scope: Scope, room: Room, chosen: Chosen, sent: SentRoom | None, timeline: SyncTimeline
    ) -> RoomUpdate:
        """Return what is new to a client that has `sent` of a room that the user is in."""
        choice, now = chosen.choice, scope.now
        users = set(choice.members) if sent is None else set(choice.members - sent.choice.members)
        if sent is None:
            found = [stored for stored in await self._current(room, now) if choice.wants(_key(stored))]
            members_changed = name_changed = avatar_changed = True
        else:
            changes = await self._changes.changes(room, sent.upto, now)
            every_member = choice.all_members or (choice.lazy_members and not timeline.limited)
            found = [
                stored
                for stored in changes
                if choice.wants(_key(stored)) or (every_member and stored.type == MEMBER)
            ]
            if choice is not sent.choice:
                found += await self._newly_wanted(room, now, choice, sent.choice)
            changed = {_key(stored) for stored in changes}
            members_changed = any(type == MEMBER for type, _ in changed)
            name_changed, avatar_changed = NAME in changed, AVATAR in changed
        if choice.all_members and (sent is None or not sent.choice.all_members):
            found += await self._state.members_at(room.number, now)
        if choice.lazy_members:
            redundant = sent is None or timeline.limited
            users.update(_needed_members(scope, room, timeline, redundant))
        update = RoomUpdate(name_changed=name_changed, avatar_changed=avatar_changed)
        update.name = await self._text(room, NAME, "name", now)
        if sent is None or avatar_changed:
            update.avatar = await self._text(room, AVATAR, "url", now)
        chosen_heroes: list[str] = []
        if members_changed:
            update.counts = (room.joined, room.invited)
        if (members_changed or name_changed) and update.name is None:
            chosen_heroes = heroes(room, scope.stream.user_id)
        members = await self.members(room, {*users, *chosen_heroes}, now)
        found += [members[user_id] for user_id in users if user_id in members]
        update.heroes = [_hero(user_id, members.get(user_id)) for user_id in chosen_heroes]
        update.required = _once(found)
        self._note_members(scope, choice, update.required)
        return update

    async def until(
        self,
        scope: Scope,
        room: Room,
        chosen: Chosen,
        floor: Position | None,
        left_at: Position | None,
        row: MembershipRow,
    ) -> RoomUpdate:
        """Return what is new to a client of a room that the user has left; `floor` is None if it does not know it."""
        update = RoomUpdate()
        update.own = [TimelineEvent(stored) for stored in await self._events.by_ids([row.event_id])]
        choice, found = chosen.choice, []
        if left_at is not None:
            if floor is not None:
                found = await self._changes.changes(room, floor, left_at)
            else:
                found = await self._state.at(room.number, left_at, members=choice.all_members)
                users = [(MEMBER, user_id) for user_id in choice.members]
                found += await self._state.at(room.number, left_at, users)
            found = [s for s in found if choice.wants(_key(s)) and _key(s) != (MEMBER, row.user_id)]
            if floor is None:
                update.name = await self._text_at(room, NAME, "name", left_at)
                update.avatar = await self._text_at(room, AVATAR, "url", left_at)
        update.required = _once(found)
        if choice.wants((MEMBER, row.user_id)) or choice.lazy_members:
            update.required += update.own
        return update

    async def members(self, room: Room, user_ids: Iterable[str], now: Position) -> dict[str, StoredEvent]:
        """Return the memberships of users as they were at `now`; those who never had one are missing."""
        positions: list[Position] = []
        undurable: list[StateKey] = []
        for user_id in user_ids:
            member = room.members.get(user_id)
            if member is None:
                continue
            if member.position <= now:
                positions.append(member.position)
            else:
                undurable.append((MEMBER, user_id))
        found = await self._events.by_positions(positions) if positions else []
        if undurable:
            found += await self._state.at(room.number, now, undurable)
        return {stored.state_key: stored for stored in found if stored.state_key is not None}

    async def render(self, scope: Scope, room: Room, events: Sequence[TimelineEvent]) -> list[bytes]:
        """Return state events in the client's form; what they replaced is of interest in timelines only."""
        slices = Slices(self._clock)
        rendered: list[bytes] = []
        for start in range(0, len(events), RENDERED_AT_ONCE):
            await slices.pause()
            part = await self._renderer.shown(
                room, events[start : start + RENDERED_AT_ONCE], scope.request.reader
            )
            now = self._clock.now_ms()
            for event in part:
                if event.stored.redacted_by is None:
                    rendered.append(
                        b'%b,"unsigned":{"age":%d}}' % (event.body, now - event.stored.origin_server_ts)
                    )
                else:
                    rendered += await self._renderer.render(
                        room, [event], scope.request.reader, room_id=False
                    )
        return rendered

    async def _current(self, room: Room, now: Position) -> list[StoredEvent]:
        """Return the state at `now` but memberships: from memory, unless that runs ahead of what is durable."""
        stored = [entry.stored for entry in room.state.values()]
        if all(event.position <= now for event in stored):
            return stored
        return await self._state.at(room.number, now, members=False)

    async def _newly_wanted(
        self, room: Room, now: Position, choice: StateChoice, former: StateChoice
    ) -> list[StoredEvent]:
        return [
            stored
            for stored in await self._current(room, now)
            if choice.wants(_key(stored)) and not former.wants(_key(stored))
        ]

    async def _text(self, room: Room, key: StateKey, name: str, now: Position) -> str | None:
        """Return a string of a state event's content, None if there is none or it is empty."""
        entry = room.state.get(key)
        if entry is None or entry.stored.position <= now:
            return None if entry is None else _string(entry.event.content.get(name))
        return await self._text_at(room, key, name, now)

    async def _text_at(self, room: Room, key: StateKey, name: str, position: Position) -> str | None:
        found = await self._state.at(room.number, position, [key])
        return _string(parse_json(found[0].content).get(name)) if found else None

    def _note_members(self, scope: Scope, choice: StateChoice, events: Iterable[TimelineEvent]) -> None:
        if choice.lazy_members:
            scope.news.members += [e.stored.position for e in events if e.stored.type == MEMBER]


def _needed_members(scope: Scope, room: Room, timeline: SyncTimeline, redundant: bool) -> set[str]:
    """Return whose memberships a client needs to show a timeline ("Lazy loaded memberships")."""
    users = {event.stored.sender for event in timeline.events}
    users.update(e.stored.state_key or "" for e in timeline.events if e.stored.type == MEMBER)
    if redundant:
        return users
    has_member = scope.connection.has_member
    return {
        user_id
        for user_id in users
        if (member := room.members.get(user_id)) is not None and not has_member(member.position)
    }


def _key(stored: StoredEvent) -> StateKey:
    return (stored.type, stored.state_key or "")


def _once(found: Iterable[StoredEvent]) -> list[TimelineEvent]:
    """Return events in the order of their positions, each once."""
    by_position = {stored.position: stored for stored in found}
    return [TimelineEvent(by_position[position]) for position in sorted(by_position)]


def _string(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _hero(user_id: str, member: StoredEvent | None) -> dict[str, Any]:
    hero: dict[str, Any] = {"user_id": user_id}
    content = {} if member is None else parse_json(member.content)
    for name in ("displayname", "avatar_url"):
        if (value := _string(content.get(name))) is not None:
            hero[name] = value
    return hero
