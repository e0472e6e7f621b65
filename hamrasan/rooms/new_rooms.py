"""Rooms come to exist: the create event, and the id that goes with it (each room version, "Room IDs")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event_format import build_pdu
from hamrasan.protocol.hashing import room_id_of_create, seal
from hamrasan.protocol.room_versions import ROOM_VERSIONS, RoomVersion, room_version
from hamrasan.rooms.decision import Decision
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.entropy import Entropy
from hamrasan.storage.ports.rooms import RoomRow

ROOM_ID_LETTERS = 18
"""Letters of a room id that is not a hash: as many as other servers take, far beyond guessing or meeting twice."""

_CREATE = "m.room.create"


CREATABLE_VERSIONS = tuple(version for version in ROOM_VERSIONS.values() if not version.hashed_references)
"""Versions that new rooms can have here.

Not the first ones, whose events cite each other with hashes: they are long discouraged and not written any more.
"""


def creatable_version(version_id: str) -> RoomVersion:
    """Return a room version that new rooms can have here; raise `M_UNSUPPORTED_ROOM_VERSION` for any other."""
    version = room_version(version_id)
    if version not in CREATABLE_VERSIONS:
        raise MatrixError(
            400,
            "M_UNSUPPORTED_ROOM_VERSION",
            f"This server creates no rooms of version '{version_id}' any more.",
        )
    return version


class NewRooms:
    """Begins rooms."""

    def __init__(self, registry: RoomRegistry, entropy: Entropy, server_name: str) -> None:
        self._registry = registry
        self._entropy = entropy
        self._server_name = server_name
        self._last_ms = 0

    async def number(self) -> int:
        """Return a number for `begin`."""
        return await self._registry.next_number()

    def random_id(self) -> str:
        """Return a room id for a version in which it is not the create event's hash."""
        return f"!{self._entropy.id(ROOM_ID_LETTERS)}:{self._server_name}"

    def begin(
        self,
        number: int,
        version: RoomVersion,
        creator: str,
        content: Mapping[str, Any],
        *,
        room_id: str | None = None,
        after: Decision | None = None,
    ) -> tuple[Room, Decision]:
        """Return a room with its create event decided; `registry.create` makes it durable, without `await` before it.

        `content` is the create event's; `creator` and `room_version` in it are set here. Raises `NotAllowed`.
        """
        full = {key: value for key, value in content.items() if key != "creator"} | {
            "room_version": version.id
        }
        if not version.authorization.creator_from_sender:
            full["creator"] = creator
        now_ms = self._last_ms = max(self._registry.clock.now_ms(), self._last_ms + 1)
        if version.authorization.room_id_is_create_hash:
            room_id, now_ms = self._hash_id(version, creator, full, now_ms)
        room = Room(RoomRow(number, room_id or self.random_id(), version.id, creator))
        decision = Decision(room, self._registry.journal, now_ms, after)
        decision.add(NewEvent(_CREATE, creator, full, ""))
        return room, decision

    def _hash_id(
        self, version: RoomVersion, creator: str, content: Mapping[str, Any], now_ms: int
    ) -> tuple[str, int]:
        """Return the id of a room and the time of its creation.

        The same content at the same time gives the same id, so no two rooms are created in the same millisecond; if the
        clock was set back, a room of that time may still be there.
        """
        while True:
            pdu = build_pdu(
                version,
                room_id=None,
                type=_CREATE,
                sender=creator,
                content=content,
                state_key="",
                origin_server_ts=now_ms,
                depth=1,
                prev_events=[],
                auth_events=[],
            )
            room_id = room_id_of_create(seal(pdu, version))
            if self._registry.loaded(room_id) is None:
                return room_id, now_ms
            now_ms += 1
