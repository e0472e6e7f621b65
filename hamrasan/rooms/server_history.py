"""Which of a room's past events another server may have (client-server API, "Room History Visibility")."""

from __future__ import annotations

from collections.abc import Sequence

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.visibility import SHARED, WORLD_READABLE, VisibilityTimeline, parse_visibility
from hamrasan.rooms.erasure import Erasure
from hamrasan.rooms.history import MEMBER, VISIBILITY, History
from hamrasan.rooms.room import Room
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StateReader, StoredEvent
from hamrasan.storage.ports.serving import ServingReader

CREATE = "m.room.create"
_ALWAYS: Position = -(2**62)
"""A position before every other."""


class ServerHistory:
    """Enforces history visibility for servers that are in a room.

    A server may have what any of its users may see. So shared history is open to every server in the room, and only
    history for those who were invited or joined has to be looked at user by user.
    """

    def __init__(
        self, state: StateReader, serving: ServingReader, history: History, erasure: Erasure, clock: Clock
    ) -> None:
        self._state = state
        self._serving = serving
        self._history = history
        self._erasure = erasure
        self._clock = clock

    async def visible(self, room: Room, server: str, events: Sequence[StoredEvent]) -> set[str]:
        """Return the ids of those of a room's events that `server`, which is in the room, may have."""
        seen = await self._in_sight(room, server, events)
        return seen - await self._erasure.withheld(
            room, events, lambda: self._serving.users_of(room.number, server)
        )

    async def _in_sight(self, room: Room, server: str, events: Sequence[StoredEvent]) -> set[str]:
        changes = [
            (stored.position, parse_visibility(parse_json(stored.content)))
            for stored in await self._state.versions(room.number, VISIBILITY, "")
        ]
        floor = self._history.floor(room) or _ALWAYS
        # What expires is what people wrote; the state of the room stays, and others judge by it.
        open_to_all = {stored.event_id for stored in events if stored.type == CREATE}
        rest = {
            stored.event_id: stored.position
            for stored in events
            if (stored.position > floor or stored.state_key is not None) and stored.type != CREATE
        }
        if all(visibility in (SHARED, WORLD_READABLE) for _, visibility in changes):
            return open_to_all | set(rest)
        # What is shared, or was before anybody set anything else, is open to all servers in the room. Where the
        # beginning of the room is not known, what was set first that is known counts for what lies before it.
        opened = [
            (position, WORLD_READABLE if visibility == SHARED else visibility)
            for position, visibility in changes
        ]
        first = opened[0][1] if room.seeded else WORLD_READABLE
        return open_to_all | await self._seen_by_somebody(room, server, [(_ALWAYS, first), *opened], rest)

    async def _seen_by_somebody(
        self, room: Room, server: str, changes: list[tuple[Position, str]], rest: dict[str, Position]
    ) -> set[str]:
        """Return what of `rest` (positions by event id) one of the server's users may see."""
        found: set[str] = set()
        slices = Slices(self._clock)
        anybody = VisibilityTimeline(changes, (), _ALWAYS)
        users = iter(await self._serving.users_of(room.number, server))
        sight: VisibilityTimeline | None = anybody
        while sight is not None and rest:
            seen = {event_id for event_id, position in rest.items() if sight.can_see(position)}
            found |= seen
            rest = {event_id: position for event_id, position in rest.items() if event_id not in seen}
            await slices.pause()
            user_id = next(users, None)
            sight = None if user_id is None or not rest else await self._sight(room, user_id, changes)
        return found

    async def _sight(
        self, room: Room, user_id: str, changes: list[tuple[Position, str]]
    ) -> VisibilityTimeline:
        memberships = await self._state.versions(room.number, MEMBER, user_id)
        own = ((s.position, parse_json(s.content)["membership"]) for s in memberships)
        return VisibilityTimeline(changes, own, _ALWAYS)
