"""Presence in a `/sync` answer (client-server API, "Presence")."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

import orjson

from hamrasan.accounts.presence import Presence, PresenceState
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.runtime.clock import Clock
from hamrasan.sync.notifier import Notifier, UserStream
from hamrasan.sync.request import SyncRequest

MAX_PRESENCE = 500
"""Users whose presence is in one answer; the others' follows when it changes next."""
MAX_ROOMS_SEEN = 100
"""Rooms in which somebody is looked for who set their presence without having asked for `/sync` lately."""
SMALL_ROOM = 100
"""Members of a room of whom each is looked at."""
MAX_PRESENCE_SEEN = 2_000
"""Latest changes of anybody's presence that are looked at for one answer (about a millisecond)."""


class PresenceNews:
    """Finds whose presence a client is to be told."""

    def __init__(self, presence: Presence, notifier: Notifier, registry: RoomRegistry, clock: Clock) -> None:
        self._presence = presence
        self._notifier = notifier
        self._registry = registry
        self._clock = clock

    def events(self, request: SyncRequest, stream: UserStream, met: Collection[str]) -> list[bytes]:
        """Return the presence that changed since the client's token, and that of users whom it has met since."""
        wanted = request.filter.presence
        if wanted.matches_nothing:
            return []
        told: dict[str, PresenceState] = {}
        if request.since is None:
            met = self._around(stream)
        else:
            for state in islice(self._presence.changed_since(request.presence), MAX_PRESENCE_SEEN):
                if wanted.matches("m.presence", state.user_id) and self._shares_room(stream, state.user_id):
                    told[state.user_id] = state
        for user_id in islice(met, MAX_PRESENCE_SEEN):
            state = self._presence.of(user_id)
            if state.serial and wanted.matches("m.presence", user_id):
                told[user_id] = state
        now = self._clock.now_ms()
        return [
            orjson.dumps({"type": "m.presence", "sender": user_id, "content": state.content(now)})
            for user_id, state in islice(told.items(), MAX_PRESENCE)
        ]

    def _around(self, stream: UserStream) -> set[str]:
        """Return users who share rooms with one who begins: of large rooms, those who ask for `/sync` themselves.

        Looked for in the user's rooms, for on a large server most of those whose presence changed last are strangers.
        """
        around = {stream.user_id}
        for room_id, activity in stream.joined.items():
            room = self._registry.loaded(room_id)
            if room is not None and len(room.members) <= SMALL_ROOM:
                around.update(u for u, member in room.members.items() if member.membership == "join")
            else:
                around.update(watcher.user_id for watcher in islice(activity.watchers, MAX_PRESENCE_SEEN))
            if len(around) > MAX_PRESENCE_SEEN:
                break
        return around

    def _shares_room(self, stream: UserStream, user_id: str) -> bool:
        """Return whether the user is in a room with `user_id`, whose rooms are in memory as long as they are there."""
        if user_id == stream.user_id:
            return True
        other = self._notifier.known(user_id)
        if other is not None:
            few, many = sorted((stream.joined, other.joined), key=len)
            return any(room_id in many for room_id in few)
        rooms = map(self._registry.loaded, islice(stream.joined, MAX_ROOMS_SEEN))
        return any(room is not None and room.membership(user_id) == "join" for room in rooms)
