"""Who in a room has pushers: so that an event costs what its few listeners cost, and not what its room's members do."""

from __future__ import annotations

from hamrasan.push.pushers import Pushers
from hamrasan.rooms.room import Room
from hamrasan.runtime.bounded_cache import BoundedCache
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.rooms import RoomReader

MAX_ROOMS = 10_000
"""Rooms whose listeners are kept: those in which somebody spoke lately."""
LOOKED_AT_ONCE = 1_000
"""Members looked at without a look at the time."""


class Audiences:
    """For each room in which something happens, its members who have pushers. For one task only.

    It goes along with the events: what was found when a room was first looked at is changed by each membership that
    comes after. Who ceased to have pushers may stay in it for a while.
    """

    def __init__(self, pushers: Pushers, rooms: RoomReader, clock: Clock) -> None:
        self._pushers = pushers
        self._rooms = rooms
        self._clock = clock
        self._of_room: BoundedCache[str, set[str]] = BoundedCache(MAX_ROOMS)

    async def refresh(self) -> None:
        """Take in who has begun to have pushers."""
        slices = Slices(self._clock)
        while (change := await self._pushers.next_change()) is not None:
            user_id, has_pushers = change
            await slices.pause()
            for row in await self._rooms.memberships(user_id) if has_pushers else ():
                audience = self._of_room.get(row.room_id)
                if audience is not None and row.membership == "join":
                    audience.add(user_id)

    async def of(self, room: Room) -> set[str]:
        """Return the members of a room who have pushers."""
        audience = self._of_room.get(room.id)
        if audience is None:
            audience = await self._find(room)
            self._of_room.put(room.id, audience)
        return audience

    def moved(self, room_id: str, user_id: str, membership: object) -> None:
        """Take in a membership event."""
        audience = self._of_room.get(room_id)
        if audience is not None:
            (audience.add if membership == "join" and user_id in self._pushers.users else audience.discard)(
                user_id
            )

    async def _find(self, room: Room) -> set[str]:
        """Look through the members or through the users with pushers, whoever are fewer."""
        users, members = self._pushers.users, room.members
        few, many = (users, members) if len(users) < len(members) else (members, users)
        slices = Slices(self._clock)
        found: list[str] = []
        candidates = list(few)
        for start in range(0, len(candidates), LOOKED_AT_ONCE):
            found += [user_id for user_id in candidates[start : start + LOOKED_AT_ONCE] if user_id in many]
            await slices.pause()
        return {user_id for user_id in found if room.membership(user_id) == "join"}
