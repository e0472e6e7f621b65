"""Changing one's profile (client-server API, "Events on Change of Profile Information").

Display name and avatar stand in the user's membership event of each room, so that clients need not ask for profiles.
A change is therefore repeated in every room that the user is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hamrasan.accounts.profiles import AVATAR_URL, DISPLAY_NAME, PROPAGATED, Names, Profiles
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import RoomReader

PROMPT_ROOMS = 50
"""Rooms that are done before the request is answered, as clients expect; the others follow in the background."""

_MEMBER = "m.room.member"
_ONCE_ONLY = frozenset({"reason", "is_direct", "third_party_invite", "join_authorised_via_users_server"})
"""What a membership event says about how it came about; a repetition of the membership must not say it again."""

_log = get_logger(__name__)


class ChangeProfile:
    """Changes profiles and repeats names and avatars in the rooms."""

    def __init__(
        self, profiles: Profiles, registry: RoomRegistry, rooms: RoomReader, tasks: TaskSupervisor
    ) -> None:
        self._profiles = profiles
        self._registry = registry
        self._rooms = rooms
        self._tasks = tasks
        self._locks = KeyedLocks()
        self._passes: dict[str, bool] = {}
        """Users whose rooms are gone through in the background, and whether they changed something meanwhile."""

    async def set_field(self, user_id: str, field: str, value: Any) -> None:
        """Set a field of a profile; raises as `Profiles.set_field`, and then nothing has changed anywhere."""
        if await self._profiles.set_field(user_id, field, value) and field in PROPAGATED:
            await self._propagate(user_id)

    async def delete_field(self, user_id: str, field: str) -> None:
        """Take a field out of a profile; raises as `Profiles.delete_field`."""
        if await self._profiles.delete_field(user_id, field) and field in PROPAGATED:
            await self._propagate(user_id)

    async def _propagate(self, user_id: str) -> None:
        rooms = await self._joined(user_id)
        await self._repeat_in(user_id, rooms[:PROMPT_ROOMS])
        if user_id in self._passes:
            self._passes[user_id] = True
        elif len(rooms) > PROMPT_ROOMS:
            self._passes[user_id] = False
            self._tasks.spawn("profile", self._repeat_in_rest(user_id))

    async def _repeat_in_rest(self, user_id: str) -> None:
        """Go through all rooms, and once more if the profile changed meanwhile: so many changes cost as few of them."""
        try:
            while True:
                await self._repeat_in(user_id, await self._joined(user_id))
                if not self._passes[user_id]:
                    return
                self._passes[user_id] = False
        finally:
            del self._passes[user_id]

    async def _joined(self, user_id: str) -> list[str]:
        return [row.room_id for row in await self._rooms.memberships(user_id) if row.membership == "join"]

    async def _repeat_in(self, user_id: str, room_ids: Sequence[str]) -> None:
        """Bring the user's membership events up to date; a room that refuses does not stop the others.

        The names are read anew for each room, so that of two changes in a row the later one prevails everywhere.
        """
        for room_id in room_ids:
            async with self._locks(f"{user_id} {room_id}"):
                try:
                    room = await self._registry.get(room_id)
                    await self._repeat(room, user_id, await self._profiles.names(user_id))
                except MatrixError as error:
                    _log.warning(
                        "a profile change was not repeated in a room", room=room_id, error=error.errcode
                    )

    async def _repeat(self, room: Room, user_id: str, names: Names) -> None:
        member = room.members.get(user_id)
        if member is None or member.membership != "join":
            return
        stored = await self._registry.events.by_id(member.event_id)
        if stored is None:
            await self._registry.journal.submit(
                Batch()
            )  # done when everything before it is, the membership too
            stored = await self._registry.events.by_id(member.event_id)
        if stored is None or room.members.get(user_id) != member:
            return  # the membership changed this very moment, and the new one has the new names
        before = parse_json(stored.content)
        content = {key: value for key, value in before.items() if key not in _ONCE_ONLY}
        for field, value in ((DISPLAY_NAME, names.displayname), (AVATAR_URL, names.avatar_url)):
            if value is None:
                content.pop(field, None)
            else:
                content[field] = value
        if any(content.get(field) != before.get(field) for field in PROPAGATED):
            await self._registry.send(room, NewEvent(_MEMBER, user_id, content, user_id))
