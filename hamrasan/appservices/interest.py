"""Which events an application service hears of (application service API, "Registration").

For each room that something happens in, it is kept whether all of it concerns the service, and how many of its users
are in it. So an event is judged in time that does not grow with the room; only the first one of a room, after a start
or after a long time, looks at the members.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hamrasan.policy.application_services import ApplicationService
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.followers import FollowedEvent
from hamrasan.rooms.membership import MEMBER
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import StoredEvent

MAX_ROOMS = 20_000
"""Rooms of which it is remembered whether they are of interest (about 3 MB for a service)."""
MAX_USERS = 50_000
"""Users of whom it is remembered whether they are the service's (about 5 MB for a service)."""


@dataclass(slots=True)
class _RoomInterest:
    by_id: bool
    """The room's id is in a namespace."""
    by_alias: bool | None
    """One of its aliases is; None until that is looked up."""
    members: int
    """How many of the service's users are in the room."""


class Interest:
    """What one application service is interested in, as of the event that it has come to."""

    def __init__(self, service: ApplicationService, registry: RoomRegistry, after: Position) -> None:
        """`after` is the position of the last event that the service has been told of, or was not interested in."""
        self._service = service
        self._registry = registry
        self._after = after
        self._rooms: BoundedCache[str, _RoomInterest] = BoundedCache(MAX_ROOMS)
        self._users: BoundedCache[str, bool] = BoundedCache(MAX_USERS)
        self._lock = asyncio.Lock()

    async def of_interest(self, events: Sequence[FollowedEvent]) -> list[FollowedEvent]:
        """Return those of the next events that concern the service."""
        async with self._lock:
            found = []
            for followed in events:
                if await self._concerns(followed.room_id, followed.event):
                    found.append(followed)
                self._after = followed.event.position
            return found

    async def in_room(self, room_id: str) -> bool:
        """Return whether everything that happens in a room concerns the service."""
        async with self._lock:
            return await self._all_of(room_id)

    async def shares_room(self, user_id: str, room_ids: Sequence[str]) -> bool:
        """Return whether one of the service's users is in one of these rooms, or the user is the service's."""
        if self.has_user(user_id):
            return True
        async with self._lock:
            for room_id in room_ids:
                room = await self._room(room_id)
                if room is not None and room.members > 0:
                    return True
        return False

    def has_user(self, user_id: str) -> bool:
        """Return whether the user is in a namespace of the service."""
        known = self._users.get(user_id)
        if known is None:
            known = self._service.has_user(user_id)
            self._users.put(user_id, known)
        return known

    def aliases_changed(self, room_id: str) -> None:
        """Look at the aliases of a room again, the next time that something happens in it."""
        room = self._rooms.get(room_id)
        if room is not None:
            room.by_alias = None

    async def _concerns(self, room_id: str, event: StoredEvent) -> bool:
        target = event.state_key if event.type == MEMBER else None
        if target is not None and self.has_user(target):
            await self._count(room_id, event)
            return True
        return self.has_user(event.sender) or await self._all_of(room_id)

    async def _all_of(self, room_id: str) -> bool:
        room = await self._room(room_id)
        if room is None:
            return False
        if room.by_id or room.members > 0:
            return True
        if room.by_alias is None:
            room.by_alias = await self._has_alias_of(room_id)
        return room.by_alias

    async def _count(self, room_id: str, event: StoredEvent) -> None:
        """Take a membership of one of the service's users into account, if the room's are counted already."""
        room = self._rooms.get(room_id)
        if room is None:
            return
        before = "leave"
        if event.replaces:
            former = await self._registry.events.by_positions([event.replaces])
            before = _membership(former[0]) if former else "leave"
        room.members += (_membership(event) == "join") - (before == "join")

    async def _room(self, room_id: str) -> _RoomInterest | None:
        """Return what is known of a room, counting its members if that was not done yet; None if there is no room."""
        known = self._rooms.get(room_id)
        if known is not None:
            return known
        try:
            room = await self._registry.get(room_id)
        except MatrixError:
            return None
        by_id = self._service.has_room(room_id)
        found = _RoomInterest(by_id, None, await self._members(room))
        self._rooms.put(room_id, found)
        return found

    async def _members(self, room: Room) -> int:
        """Return how many of the service's users were in the room at the last event that it has come to."""
        count, slices = 0, Slices(self._registry.clock)
        for user_id, member in list(room.members.items()):
            if self.has_user(user_id):
                membership = member.membership
                if member.position > self._after:
                    key = [(MEMBER, user_id)]
                    stored = await self._registry.state.at(room.number, self._after, key)
                    membership = _membership(stored[0]) if stored else "leave"
                count += membership == "join"
            await slices.pause()
        return count

    async def _has_alias_of(self, room_id: str) -> bool:
        if not self._service.aliases:
            return False
        rows = await self._registry.rooms.rooms([room_id])
        aliases = await self._registry.rooms.aliases(rows[0].room) if rows else []
        return any(self._service.has_alias(alias) for alias in aliases)


def _membership(stored: StoredEvent) -> str:
    """Return the membership that a member event gives; redactions leave it as well."""
    return str(parse_json(stored.content).get("membership"))
