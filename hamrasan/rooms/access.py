"""The gate: the only way in which somebody's request gets hold of a room."""

from __future__ import annotations

from dataclasses import dataclass

from hamrasan.protocol.errors import MatrixError, forbidden, not_found
from hamrasan.protocol.visibility import WORLD_READABLE, parse_visibility
from hamrasan.rooms.history import History
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import RoomReader


@dataclass(frozen=True, slots=True)
class ReadableRoom:
    """A room that somebody may read, and how far: for who has left, up to the leaving."""

    room: Room
    user_id: str
    upto: Position
    joined: bool


class RoomAccess:
    """Gives rooms to those who may have them."""

    def __init__(self, registry: RoomRegistry, rooms: RoomReader, history: History) -> None:
        self._registry = registry
        self._rooms = rooms
        self._history = history

    async def joined(self, room_id: str, user_id: str) -> Room:
        """Return a room that the user is in; raise `M_FORBIDDEN` for any other, known or not."""
        room = self._registry.loaded(room_id) or await self._get(room_id)
        if room is None or room.membership(user_id) != "join":
            raise forbidden("You are not in this room.")
        return room

    async def readable(self, room_id: str, user_id: str) -> ReadableRoom:
        """Return a room that the user is or was in, or that the world may read; else raise `M_FORBIDDEN`."""
        room = self._registry.loaded(room_id) or await self._get(room_id)
        if room is None:
            raise forbidden("You are not in this room.")
        member = room.members.get(user_id)
        membership = None if member is None else member.membership
        if membership == "join":
            return ReadableRoom(room, user_id, room.durable_head, True)
        if self._world_readable(room) and membership != "ban":
            return ReadableRoom(room, user_id, room.durable_head, False)
        left_at = None if member is None else await self._left_at(room, user_id)
        if left_at is None:
            raise forbidden("You are not in this room.")
        return ReadableRoom(room, user_id, left_at, False)

    async def visible_event(
        self, room_id: str, event_id: str, user_id: str
    ) -> tuple[ReadableRoom, TimelineEvent]:
        """Return an event that the user may see; raise `M_NOT_FOUND` for any other, known or not."""
        try:
            readable = await self.readable(room_id, user_id)
        except MatrixError as error:
            if error.status == 403:
                raise _no_event() from None
            raise
        stored = await self._registry.events.by_id(event_id)
        if stored is not None and stored.room == readable.room.number and stored.position <= readable.upto:
            visible = await self._history.visible(readable.room, user_id, [TimelineEvent(stored)])
            if visible:
                return readable, visible[0]
        raise _no_event()

    async def _get(self, room_id: str) -> Room | None:
        try:
            return await self._registry.get(room_id)
        except MatrixError as error:
            if error.status == 404:
                return None
            raise

    async def _left_at(self, room: Room, user_id: str) -> Position | None:
        """Return how far somebody may read who is no longer in the room; None if they never were, or forgot it."""
        rows = [row for row in await self._rooms.memberships(user_id) if row.room_id == room.id]
        if not rows or rows[0].forgotten:
            return None
        return await self._history.left_at(room, user_id)

    @staticmethod
    def _world_readable(room: Room) -> bool:
        return parse_visibility(room.content("m.room.history_visibility")) == WORLD_READABLE


def _no_event() -> MatrixError:
    return not_found("There is no such event in this room, or you may not see it.")
