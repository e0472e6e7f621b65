"""Whom a user has met in their rooms since a token, and from whom they have parted.

Those one meets show their presence and their devices ("Presence", "Tracking the device list for a user").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.rooms.history import MEMBER
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.invitations import NO_ROOM
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import MembershipRow, StateReader, StoredEvent
from hamrasan.sync.changed_rooms import ChangedRooms
from hamrasan.sync.room_state import was_in

ENCRYPTION = ("m.room.encryption", "")
LOOKED_UP_AT_ONCE = 100
"""Former memberships read without a look at the time (about a millisecond)."""


@dataclass(slots=True)
class Companions:
    """Users whom one shares other rooms with than before."""

    met: set[str] = field(default_factory=set)
    """Those who are in a room with the user in which they were not together before."""
    met_encrypted: set[str] = field(default_factory=set)
    """Those of them for whom that room is encrypted, and all in a room that has become encrypted."""
    parted_encrypted: set[str] = field(default_factory=set)
    """Those who were in an encrypted room with the user and are not any more, though perhaps in another one."""


class CompanionFinder:
    """Finds out whom users meet."""

    def __init__(self, registry: RoomRegistry, state: StateReader, clock: Clock) -> None:
        self._registry = registry
        self._state = state
        self._clock = clock

    async def find(self, rooms: ChangedRooms, after: Position, upto: Position) -> Companions:
        """Return whom the user met or parted from in (after, upto]."""
        found = Companions()
        slices = Slices(self._clock)
        for activity, own in rooms.joined:
            if activity.events > after:
                await slices.pause()
                if self._registry.loaded(own.room_id) is None and not await self._state.has_changed(
                    activity.number, after, upto
                ):
                    continue  # messages only: no reason to load the room
                await self._look_around(found, await self._room(own.room_id), own, after, upto)
        for own in rooms.others:
            if own.position > after and own.membership in ("leave", "ban") and own.room != NO_ROOM:
                await slices.pause()
                await self._look_back(found, await self._room(own.room_id), own, after)
        return found

    async def _room(self, room_id: str) -> Room:
        return self._registry.loaded(room_id) or await self._registry.get(room_id)

    async def _look_around(
        self, found: Companions, room: Room, own: MembershipRow, after: Position, upto: Position
    ) -> None:
        encrypted_since = _encrypted_since(room, upto)
        if own.position > after and not await was_in(self._state, room, own.user_id, after):
            everybody = _members(room, own.user_id)
            found.met.update(everybody)
            if encrypted_since is not None:
                found.met_encrypted.update(everybody)
            return
        changed = await self._changed_members(room, after, upto)
        changed.pop(own.user_id, None)
        came = [user_id for user_id, event in changed.items() if _joins(event)]
        found.met.update(came)
        if encrypted_since is None:
            return
        if encrypted_since > after and not await self._state.at(room.number, after, [ENCRYPTION]):
            found.met_encrypted.update(_members(room, own.user_id))
            return
        were_there = await self._were_in(room, list(changed), after)
        found.met_encrypted.update(user_id for user_id in came if user_id not in were_there)
        found.parted_encrypted.update(were_there.difference(came))

    async def _look_back(self, found: Companions, room: Room, own: MembershipRow, after: Position) -> None:
        """Part from those who were in an encrypted room that the user left."""
        if _encrypted_since(room, own.position) is None or not await was_in(
            self._state, room, own.user_id, after
        ):
            return
        found.parted_encrypted.update(_members(room, own.user_id))
        changed = await self._changed_members(room, after, own.position)
        changed.pop(own.user_id, None)
        found.parted_encrypted.update(changed)

    async def _changed_members(self, room: Room, after: Position, upto: Position) -> dict[str, StoredEvent]:
        """Return the last membership event in (after, upto] of everybody who has one."""
        if room.tail_start <= after:
            events: Sequence[StoredEvent] = [event.stored for event in room.tail_between(after, upto)]
        else:
            events = await self._state.changes(room.number, after, upto)
        return {e.state_key: e for e in events if e.type == MEMBER and e.state_key is not None}

    async def _were_in(self, room: Room, user_ids: Sequence[str], position: Position) -> set[str]:
        """Return who of these users was in the room at a position."""
        inside: set[str] = set()
        slices = Slices(self._clock)
        for start in range(0, len(user_ids), LOOKED_UP_AT_ONCE):
            await slices.pause()
            keys = [(MEMBER, user_id) for user_id in user_ids[start : start + LOOKED_UP_AT_ONCE]]
            found = await self._state.at(room.number, position, keys)
            inside.update(event.state_key for event in found if event.state_key and _joins(event))
        return inside


def _encrypted_since(room: Room, upto: Position) -> Position | None:
    """Return the position of the room's encryption event, None for a room that is not encrypted at `upto`.

    A room stays encrypted for ever; the event may be replaced later, so this is not when it became so.
    """
    entry = room.state.get(ENCRYPTION)
    if entry is None or (entry.stored.position > upto and not entry.stored.replaces):
        return None
    return entry.stored.position


def _members(room: Room, user_id: str) -> list[str]:
    """Return everybody in a room but the user."""
    return [
        other for other, member in room.members.items() if member.membership == "join" and other != user_id
    ]


def _joins(event: StoredEvent) -> bool:
    return bool(parse_json(event.content).get("membership") == "join")
