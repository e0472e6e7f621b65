"""Which rooms somebody may hear of without being in them, and what they are told ("Spaces", "Room Summaries").

The same rule stands behind the hierarchy of spaces and the summary of a single room. Rooms are read without being
loaded: who looks through a space of a hundred rooms must not bring a hundred lists of members into memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.room_versions import room_version
from hamrasan.protocol.server_acl import is_server_allowed
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.restricted import allowed_in
from hamrasan.rooms.server_acls import SERVER_ACL
from hamrasan.rooms.summary import SUMMARY_KEYS, ContentOf, RoomSummary, summarize
from hamrasan.storage.ports.rooms import RoomReader, RoomRow, StateReader
from hamrasan.storage.ports.serving import ServingReader

ENCRYPTION = "m.room.encryption"
KNOWN_ALGORITHMS = frozenset({"m.megolm.v1.aes-sha2"})
"""What a summary may name; it says nothing of an algorithm that no client could read."""
MAX_ALLOWED_ROOMS = 100
"""Rooms in the conditions of a restricted room that are looked at: each is a read, for each room of a space."""

_KEYS = (*SUMMARY_KEYS, (ENCRYPTION, ""), (SERVER_ACL, ""))
_LATEST = 2**62
"""A position after every other."""
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class FoundRoom:
    """A room that somebody may hear of."""

    row: RoomRow
    summary: RoomSummary
    membership: str | None
    """Of whoever asks; None: they never had one, or nobody knows who asks."""
    allowed_room_ids: tuple[str, ...]
    algorithm: str | None

    def fields(self) -> dict[str, Any]:
        """Return the JSON object `RoomSummary` of the specification."""
        fields = {**self.summary.chunk(), "room_version": self.row.version}
        if self.allowed_room_ids:
            fields["allowed_room_ids"] = list(self.allowed_room_ids)
        if self.algorithm is not None:
            fields["encryption"] = self.algorithm
        return fields


class Discovery:
    """Finds rooms for those who may hear of them."""

    def __init__(
        self,
        registry: RoomRegistry,
        rooms: RoomReader,
        state: StateReader,
        serving: ServingReader,
        server_name: str,
    ) -> None:
        self._registry = registry
        self._rooms = rooms
        self._state = state
        self._serving = serving
        self._server_name = server_name

    async def find(self, room_id: str, user_id: str | None, *, banned: bool = False) -> FoundRoom | None:
        """Return a room that `user_id` (None: anybody) may hear of; None for any other, known or not.

        Who is in the room, invited, or allowed to join or knock may hear of it, and everybody of one that the world
        may read. Who is banned hears of it only with `banned`, and then no more than anybody would.
        """
        rows = await self._rooms.rooms([room_id])
        if not rows:
            return None
        row = rows[0]
        membership = None if user_id is None else await self._membership(row, user_id)
        if membership == "ban" and not banned:
            return None
        content = await self._content(row)
        summary = summarize(row, 0, content)
        allowed = tuple(allowed_in(content("m.room.join_rules"))) if _is_restricted(row, summary) else ()
        visible = membership in ("join", "invite") or _is_open(row, summary)
        if not visible and (membership == "ban" or not await self._is_in_any(allowed, user_id)):
            return None
        return await self._found(row, content, summary, membership, allowed)

    async def describable(self, room_id: str) -> RoomRow | None:
        """Return a room of which this server can tell others: it knows it, and is in it now."""
        rows = await self._rooms.rooms([room_id])
        return rows[0] if rows and await self._is_joined(rows[0], self._server_name) else None

    async def find_for_server(self, row: RoomRow, server: str) -> FoundRoom | None:
        """Return a room that users of another server could come or look into; None for any other.

        Some of them may not: that is for their server to find out. A room that is closed to other servers, or keeps
        this one out, is none of its business.
        """
        content = await self._content(row)
        summary = summarize(row, 0, content)
        acl = content(SERVER_ACL) or None
        if not summary.federates or not is_server_allowed(acl, server):
            return None
        allowed = tuple(allowed_in(content("m.room.join_rules"))) if _is_restricted(row, summary) else ()
        if not _is_open(row, summary) and not await self._may_come(row, server, allowed):
            return None
        return await self._found(row, content, summary, None, allowed)

    async def _may_come(self, row: RoomRow, server: str, allowed: tuple[str, ...]) -> bool:
        if {"join", "invite"} & await self._serving.memberships_of(row.room, server):
            return True
        for other in await self._rooms.rooms(allowed[:MAX_ALLOWED_ROOMS]):
            if await self._is_joined(other, server):
                return True
        return False

    async def _is_joined(self, row: RoomRow, server: str) -> bool:
        room = self._registry.loaded(row.room_id)
        if room is not None:
            return server in room.servers
        return await self._serving.is_joined(row.room, server)

    async def _found(
        self,
        row: RoomRow,
        content: ContentOf,
        summary: RoomSummary,
        membership: str | None,
        allowed: tuple[str, ...],
    ) -> FoundRoom:
        algorithm = content(ENCRYPTION).get("algorithm")
        return FoundRoom(
            row,
            replace(summary, num_joined_members=await self._joined(row)),
            membership,
            tuple(room_id for room_id in allowed if room_id.startswith("!")),
            algorithm if isinstance(algorithm, str) and algorithm in KNOWN_ALGORITHMS else None,
        )

    async def _is_in_any(self, room_ids: tuple[str, ...], user_id: str | None) -> bool:
        if user_id is None:
            return False
        for row in await self._rooms.rooms(room_ids[:MAX_ALLOWED_ROOMS]):
            if await self._membership(row, user_id) == "join":
                return True
        return False

    async def _membership(self, row: RoomRow, user_id: str) -> str | None:
        room = self._registry.loaded(row.room_id)
        if room is not None:
            return room.membership(user_id)
        return await self._rooms.membership(row.room, user_id)

    async def _joined(self, row: RoomRow) -> int:
        room = self._registry.loaded(row.room_id)
        return await self._rooms.joined(row.room) if room is None else room.joined

    async def _content(self, row: RoomRow) -> ContentOf:
        room = self._registry.loaded(row.room_id)
        if room is not None:
            return room.content
        stored = await self._state.at(row.room, _LATEST, _KEYS)
        contents = {event.type: parse_json(event.content) for event in stored}
        return lambda event_type: contents.get(event_type, _NOTHING)


def _is_open(row: RoomRow, summary: RoomSummary) -> bool:
    """Return whether everybody may hear of a room: the world may read it, or anybody may join or knock."""
    rules = room_version(row.version).authorization
    return (
        summary.world_readable
        or summary.join_rule == "public"
        or (summary.join_rule == "knock" and rules.knock)
        or (summary.join_rule == "knock_restricted" and rules.knock_restricted_join)
    )


def _is_restricted(row: RoomRow, summary: RoomSummary) -> bool:
    rules = room_version(row.version).authorization
    return (summary.join_rule == "restricted" and rules.restricted_join) or (
        summary.join_rule == "knock_restricted" and rules.knock_restricted_join
    )
