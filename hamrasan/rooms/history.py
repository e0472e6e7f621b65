"""Which of a room's past events somebody may see (client-server API, "Room History Visibility")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.visibility import SHARED, WORLD_READABLE, VisibilityTimeline, parse_visibility
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.storage.ports.journal import FIRST_POSITION, Position
from hamrasan.storage.ports.rooms import OUTSIDE, StateReader

VISIBILITY = "m.room.history_visibility"
MEMBER = "m.room.member"


class Numbered(Protocol):
    """A room, loaded or not."""

    @property
    def number(self) -> int: ...


class Stay(NamedTuple):
    """A time that a user was in a room."""

    begin: Position
    """Of the event by which they joined."""
    end: Position | None
    """Of the event by which they left; None: they are there."""


class History:
    """Enforces history visibility for local readers."""

    def __init__(self, state: StateReader, floors: Mapping[int, Position] | None = None) -> None:
        """`floors` are, by the number of the room, the positions up to which history has expired."""
        self._state = state
        self._floors = {} if floors is None else floors

    def floor(self, room: Numbered) -> Position:
        """Return the position up to which the history of a room has expired, 0 if none has."""
        return self._floors.get(room.number, 0)

    def has_expired(self, room: Numbered) -> bool:
        """Return whether the beginning of a room's history has expired: what was before it has, too."""
        return room.number in self._floors

    async def timeline(self, room: Numbered, user_id: str) -> VisibilityTimeline:
        """Return what `user_id` may see of `room`, as it stands now."""
        versions = await self._state.versions(room.number, VISIBILITY, "")
        visibilities = [(s.position, parse_visibility(parse_json(s.content))) for s in versions]
        if versions and (versions[0].flags & OUTSIDE or versions[0].position < 0):
            # What was before this server came into the room is not known: the oldest that is known counts for it.
            visibilities.insert(0, (FIRST_POSITION, visibilities[0][1]))
        memberships = await self._state.versions(room.number, MEMBER, user_id)
        return VisibilityTimeline(
            visibilities,
            ((s.position, parse_json(s.content)["membership"]) for s in memberships),
            self._floors.get(room.number, FIRST_POSITION),
        )

    async def sight(self, room: Room, user_id: str) -> VisibilityTimeline | None:
        """Return what `user_id` may see of `room`, None for a reader who sees every event (mostly, and free)."""
        return None if await self._sees_all(room, user_id) else await self.timeline(room, user_id)

    async def visible(self, room: Room, user_id: str, events: Sequence[TimelineEvent]) -> list[TimelineEvent]:
        """Return those of `events` that `user_id` may see."""
        timeline = await self.sight(room, user_id) if events else None
        if timeline is None:
            return list(events)
        return [event for event in events if timeline.can_see(event.stored.position)]

    async def stays(self, room: Numbered, user_id: str) -> list[Stay]:
        """Return the times that a user has been in the room, the oldest first; changes of the profile end none."""
        found: list[Stay] = []
        begin: Position | None = None
        for stored in await self._state.versions(room.number, MEMBER, user_id):
            joins = parse_json(stored.content)["membership"] == "join"
            if joins and begin is None:
                begin = stored.position
            elif not joins and begin is not None:
                found.append(Stay(begin, stored.position))
                begin = None
        if begin is not None:
            found.append(Stay(begin, None))
        return found

    async def left_at(self, room: Numbered, user_id: str) -> Position | None:
        """Return the position of the event that ended the user's last stay in the room, None if none has ended.

        What came after it (a ban, an invite that was turned down) does not let anybody see more.
        """
        ends = [stay.end for stay in await self.stays(room, user_id) if stay.end is not None]
        return ends[-1] if ends else None

    async def _sees_all(self, room: Room, user_id: str) -> bool:
        """Return whether no event needs to be looked at: the user is inside, and history never hidden or expired."""
        if room.membership(user_id) != "join" or room.number in self._floors:
            return False
        entry = room.state.get((VISIBILITY, ""))
        if (
            room.flipped
            or entry is None
            or parse_visibility(entry.event.content) not in (SHARED, WORLD_READABLE)
        ):
            return False
        return entry.stored.replaces == 0 and entry.stored.position <= room.durable_head
