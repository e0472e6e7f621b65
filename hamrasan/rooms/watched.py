"""Requests that wait for the next event of a room without being of its members (client-server API, "peekEvents")."""

from __future__ import annotations

from collections.abc import Callable

from hamrasan.protocol.errors import MatrixError
from hamrasan.storage.ports.rooms import RoomEvents

MAX_WATCHERS = 1_000
"""Waiting requests in all: each costs a read with every event of its room, and who wants more of a room joins it."""

Wake = Callable[[], None]


class WatchedRooms:
    """Knows who waits for events of which room."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Wake]] = {}
        self._count = 0

    def watch(self, room_id: str, wake: Wake) -> None:
        """Call `wake` once, at the next event of a room; raise `M_LIMIT_EXCEEDED` if too many wait already."""
        if self._count >= MAX_WATCHERS:
            raise MatrixError(429, "M_LIMIT_EXCEEDED", "Too many are watching rooms without joining them.")
        self._watchers.setdefault(room_id, set()).add(wake)
        self._count += 1

    def unwatch(self, room_id: str, wake: Wake) -> None:
        """Wait no more."""
        watchers = self._watchers.get(room_id, set())
        if wake in watchers:
            watchers.remove(wake)
            self._count -= 1
            if not watchers:
                del self._watchers[room_id]

    def committed(self, item: RoomEvents) -> None:
        """Wake who waits for a room (listens to the journal)."""
        if item.room_id in self._watchers:
            watchers = self._watchers.pop(item.room_id)
            self._count -= len(watchers)
            for wake in watchers:
                wake()
