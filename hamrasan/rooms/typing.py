"""Who is typing (client-server API, "Typing Notifications"). In memory only: a restart ends all typing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.federated_rooms import StateFlipped
from hamrasan.storage.ports.rooms import RoomEvents

MAX_TYPING_MS = 120_000
"""Longer claims are shortened: a client that went away must not type for ever."""
DEFAULT_TYPING_MS = 30_000
"""For clients that name no timeout."""
SHORTEST_WAIT_S = 0.05
"""Ends that fall together are found together."""
MAX_TYPISTS = 20
"""Users of one room that are shown typing; nobody reads more names."""


class Typing:
    """Keeps who types where, and numbers the changes for `/sync`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rooms: dict[str, dict[str, float]] = {}
        self._changes: dict[str, int] = {}
        """Serial of the last change in each room in which somebody types."""
        self._listeners: list[Callable[[str, int], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_end = 0.0
        self.serial = 0
        """Serial number of the last change in any room."""

    def on_change(self, listener: Callable[[str, int], None]) -> None:
        """Call `listener(room_id, serial)` at each change."""
        self._listeners.append(listener)

    def in_room(self, room_id: str) -> list[str]:
        """Return who is typing in a room."""
        return list(self._rooms.get(room_id, ()))[:MAX_TYPISTS]

    def last_change(self, room_id: str) -> int:
        """Return the serial of the last change in a room in which somebody types, 0 for any other."""
        return self._changes.get(room_id, 0)

    def start(self, room_id: str, user_id: str, timeout_ms: int) -> None:
        """`user_id` is typing for the next `timeout_ms`, at most `MAX_TYPING_MS`."""
        typists = self._rooms.setdefault(room_id, {})
        known = user_id in typists
        end = self._clock.monotonic() + min(timeout_ms, MAX_TYPING_MS) / 1000
        typists[user_id] = end
        if not known:
            self._changed(room_id)
        self._wake_at(end)

    def stop(self, room_id: str, user_id: str) -> None:
        """`user_id` no longer types."""
        typists = self._rooms.get(room_id, {})
        if typists.pop(user_id, None) is None:
            return
        if not typists:
            del self._rooms[room_id]
        self._changed(room_id)

    def committed(self, item: RoomEvents | StateFlipped) -> None:
        """End the typing of those who are no longer in the room (listens to the journal)."""
        if item.room_id not in self._rooms:
            return
        for stored in item.events:
            user_id = stored.state_key
            if stored.type != "m.room.member" or user_id is None:
                continue
            if (
                user_id in self._rooms.get(item.room_id, ())
                and parse_json(stored.content)["membership"] != "join"
            ):
                self.stop(item.room_id, user_id)

    def _changed(self, room_id: str) -> None:
        self.serial += 1
        if room_id in self._rooms:
            self._changes[room_id] = self.serial
        else:
            self._changes.pop(room_id, None)
        for listener in self._listeners:
            listener(room_id, self.serial)

    def _wake_at(self, end: float) -> None:
        """Look for what has ended at `end`, unless that happens before anyway."""
        if self._timer is not None:
            if self._timer_end <= end:
                return
            self._timer.cancel()
        self._timer_end = end
        delay = max(end - self._clock.monotonic(), SHORTEST_WAIT_S)
        self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        for room_id, typists in list(self._rooms.items()):
            for user_id in [user_id for user_id, end in typists.items() if end <= now]:
                self.stop(room_id, user_id)
        ends = [end for typists in self._rooms.values() for end in typists.values()]
        if ends:
            self._wake_at(min(ends))
