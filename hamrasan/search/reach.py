"""What somebody may search: the stretches of rooms' histories that they may read ("Server Side Search")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hamrasan.protocol.filters import RoomEventFilter
from hamrasan.rooms.history import History
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.storage.ports.rooms import MembershipRow, RoomReader
from hamrasan.storage.ports.search import Place, RoomTraits, SearchIndex, Stretch

MAX_LEFT_ROOMS = 500
"""Rooms that somebody has left and that are searched, the last ones: for each, its history has to be looked at."""


class _Number(NamedTuple):
    """A room that is not loaded."""

    number: int


class Reach:
    """What one user may search."""

    def __init__(self, stretches: Sequence[Stretch], room_ids: Mapping[int, str]) -> None:
        self.stretches = stretches
        self.room_ids = room_ids
        self._by_room: dict[int, list[Stretch]] = {}
        for stretch in stretches:
            self._by_room.setdefault(stretch.room, []).append(stretch)

    def in_room(self, room_id: str) -> Reach:
        """Return what of this lies in one room."""
        return Reach([s for s in self.stretches if self.room_ids[s.room] == room_id], self.room_ids)

    def within(self, after: Position, upto: Position) -> list[Stretch]:
        """Return the stretches that lie in after < position <= upto, cut where they do not."""
        cut = (Stretch(s.room, max(s.after, after), min(s.upto, upto)) for s in self.stretches)
        return [stretch for stretch in cut if stretch.after < stretch.upto]

    def covers(self, place: Place) -> bool:
        """Return whether an event may be read."""
        here = self._by_room.get(place.room, ())
        return any(stretch.after < place.position <= stretch.upto for stretch in here)


class ReachFinder:
    """Finds out what users may search."""

    def __init__(
        self, index: SearchIndex, journal: Journal, rooms: RoomReader, history: History, clock: Clock
    ) -> None:
        self._index = index
        self._journal = journal
        self._rooms = rooms
        self._history = history
        self._clock = clock

    async def of(self, user_id: str, wanted: RoomEventFilter) -> Reach:
        """Return what a user may search of the rooms that are wanted.

        Forgotten rooms are not, nor are rooms that the user has never been in.
        """
        upto = self._journal.durable
        rows = [row for row in await self._rooms.places(user_id) if wanted.matches_room(row.room_id)]
        traits = await self._index.traits([row.room for row in rows])
        rows = [row for row in rows if row.room in traits]
        joined = [row for row in rows if row.membership == "join"]
        left = [row for row in rows if row.membership != "join" and not row.forgotten]
        left = sorted(left, key=lambda row: -row.position)[:MAX_LEFT_ROOMS]
        stretches: list[Stretch] = []
        slices = Slices(self._clock)
        for row in joined + left:
            stretches += await self._of_room(row, traits[row.room], upto)
            await slices.pause()
        return Reach(stretches, {row.room: row.room_id for row in joined + left})

    async def _of_room(self, row: MembershipRow, traits: RoomTraits, upto: Position) -> list[Stretch]:
        room = _Number(row.room)
        if row.membership == "join":
            if not traits.hides:
                return [Stretch(row.room, 0, upto)]
        else:
            left_at = await self._history.left_at(room, row.user_id)
            if left_at is None:
                return []
            upto = min(upto, left_at)
        timeline = await self._history.timeline(room, row.user_id)
        return [Stretch(row.room, low, high) for low, high in timeline.visible_ranges(0, upto)]
