"""The state in a room's part of a `/sync` answer (client-server API, "Syncing", "Lazy-loading room members")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.rooms.heroes import heroes
from hamrasan.rooms.history import MEMBER
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline import is_wanted
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StateReader, StoredEvent
from hamrasan.sync.notifier import UserStream
from hamrasan.sync.request import SyncRequest
from hamrasan.sync.timelines import SyncTimeline


class StateUpdate(NamedTuple):
    """What a client is told of a room's state."""

    events: list[TimelineEvent]
    members_changed: bool
    """Somebody's membership changed since the token, whether or not the client is shown it."""


async def was_in(state: StateReader, room: Room, user_id: str, position: Position) -> bool:
    """Return whether a user was in a room at a position."""
    members = await state.at(room.number, position, [(MEMBER, user_id)])
    return bool(members) and parse_json(members[0].content).get("membership") == "join"


class RoomStates:
    """Finds what changed in the state of rooms."""

    def __init__(self, state: StateReader) -> None:
        self._state = state

    async def update(
        self,
        request: SyncRequest,
        stream: UserStream,
        room: Room,
        timeline: SyncTimeline,
        floor: Position,
        upto: Position,
        whole: bool,
    ) -> StateUpdate:
        """Return the state that the client needs beside the timeline: all of it if `whole`, else what changed.

        `upto` is the end of the timeline. The state is that at its beginning, or at its end with `use_state_after`.
        """
        wanted = request.filter.room.state
        lazy = wanted.lazy_load_members
        end = upto if request.state_after else min(timeline.start, upto)
        if not whole:
            found = await self.changes(room, floor, end)
        elif wanted.matches_nothing:
            found = []
        else:
            found = await self._state.at(room.number, end, members=not lazy)
        if not request.state_after and (not timeline.whole or room.flipped > end):
            # What the filter keeps out of the timeline, or a fork has brought back, is in the state all the same.
            found = _overridden(found, await self.changes(room, end, upto))
        members_changed = any(event.type == MEMBER for event in found) or any(
            event.stored.type == MEMBER for event in timeline.events
        )
        if lazy and not wanted.matches_nothing:
            found = [*found, *await self._lazy_members(request, stream, room, timeline, end, whole)]
        shown = set() if request.state_after else {event.stored.position for event in timeline.events}
        chosen = {s.position: TimelineEvent(s) for s in found if s.position not in shown}
        events = [event for event in chosen.values() if is_wanted(event, wanted, room.id, frozenset())]
        if lazy:
            sent = stream.sent_to(request.reader.device_id)
            for stored in (event.stored for event in (*events, *timeline.events)):
                if stored.type == MEMBER and stored.state_key is not None:
                    sent.note(room.id, stored.state_key, stored.event_id, upto)
        return StateUpdate(events, members_changed)

    async def changes(self, room: Room, after: Position, upto: Position) -> list[StoredEvent]:
        """Return the last event of each key that changed in (after, upto]; free where the tail shows that none did."""
        if after >= upto:
            return []
        if room.tail_start <= after >= room.flipped and not any(
            after < e.stored.position <= upto and e.stored.state_key is not None for e in room.tail
        ):
            return []
        return await self._state.changes(room.number, after, upto)

    async def _lazy_members(
        self,
        request: SyncRequest,
        stream: UserStream,
        room: Room,
        timeline: SyncTimeline,
        end: Position,
        whole: bool,
    ) -> list[StoredEvent]:
        """Return the memberships that a client needs for this timeline."""
        users = dict.fromkeys(event.stored.sender for event in timeline.events)
        if whole:
            users[stream.user_id] = None
            if not (
                room.content("m.room.name").get("name") or room.content("m.room.canonical_alias").get("alias")
            ):
                users.update(dict.fromkeys(heroes(room, stream.user_id)))
        sent = stream.sent_to(request.reader.device_id)
        redundant = request.filter.room.state.include_redundant_members or whole
        missing = []
        for user_id in users:
            member = room.members.get(user_id)
            if member is None:
                continue
            if redundant or not sent.has(room.id, user_id, member.event_id, request.after):
                missing.append((MEMBER, user_id))
        return await self._state.at(room.number, end, missing) if missing else []


def _overridden(before: Sequence[StoredEvent], later: Sequence[StoredEvent]) -> list[StoredEvent]:
    """Return state with later events in the place of those that they replaced."""
    events = {(event.type, event.state_key): event for event in before}
    events.update(((event.type, event.state_key), event) for event in later)
    return list(events.values())
