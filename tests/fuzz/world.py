"""What a run knows of the server it talks to: its own users, and the names of things seen in answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

POOL = 64
"""Names of one kind that are kept; the older ones make room by chance, so that old and new are both used."""
MAX_ROOMS, MAX_USERS = 80, 80
"""Rooms and users that are made in a run; then caches no longer fill, and memory that grows is a leak."""
MAX_LOOKED_AT = 3_000
"""Values of an answer that are searched for names."""

_KIND_OF_KEY = {
    "room_id": "room",
    "replacement_room": "room",
    "event_id": "event",
    "next_batch": "token",
    "prev_batch": "token",
    "start": "token",
    "end": "token",
    "device_id": "device",
    "alias": "alias",
    "room_alias": "alias",
    "session": "session",
    "refresh_token": "refresh",
    "login_token": "login_token",
    "rule_id": "rule",
    "nonce": "nonce",
}
"""The keys of answers whose values name something."""


@dataclass(slots=True)
class User:
    """Somebody whom this run has registered. `passwords` may hold some that are no longer, or not yet, in use."""

    user_id: str
    passwords: list[str]
    device_id: str = ""
    token: str = ""
    admin: bool = False
    gone: bool = False
    """They asked to be deactivated, so that nothing is expected of them any more."""
    rooms: list[str] = field(default_factory=list)
    """Rooms that they are or were in; the last one is the newest."""


class World:
    """Users and names. Nothing here is random but what is told so by the generator that is handed over."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.active: list[User] = []
        """Those who have a token."""
        self.rooms_made = 0
        self._pools: dict[str, list[str]] = {}
        self._counter = 0

    def met(self, user: User) -> None:
        """Keep a user who has a token."""
        self.users[user.user_id] = user
        self.active.append(user)
        self.note("user", user.user_id, Random(self._counter))

    def lost(self, user: User) -> None:
        """The token of a user no longer works."""
        user.token = ""
        self.active = [other for other in self.active if other is not user]

    @property
    def is_full(self) -> bool:
        """Whether nobody and no room should be added."""
        return self.rooms_made >= MAX_ROOMS or len(self.users) >= MAX_USERS

    def number(self) -> int:
        """Return a number that was not used yet, for names that have to be new."""
        self._counter += 1
        return self._counter

    def note(self, kind: str, value: str, rng: Random) -> None:
        """Keep a name."""
        pool = self._pools.setdefault(kind, [])
        if value in pool:
            return
        if len(pool) < POOL:
            pool.append(value)
        else:
            pool[rng.randrange(POOL)] = value

    def draw(self, kind: str, rng: Random, default: str) -> str:
        """Return a name of a kind, `default` if none is known."""
        pool = self._pools.get(kind)
        return rng.choice(pool) if pool else default

    def learn(self, operation: str, answer: Any, rng: Random) -> None:
        """Keep the names that stand in an answer."""
        if operation == "sync" and isinstance(answer.get("next_batch"), str):
            self.note("since", answer.pop("next_batch"), rng)
        for key, value in _members(answer):
            kind = _KIND_OF_KEY.get(key)
            if kind is not None and isinstance(value, str) and 0 < len(value) < 400:
                self.note(kind, value, rng)
            elif key == "joined_rooms" and isinstance(value, list):
                for room in value[-POOL:]:
                    self.note("room", str(room), rng)

    def joined(self, user_id: str | None, room_id: Any) -> None:
        """Somebody has joined a room, or made it."""
        user = self.users.get(user_id or "")
        if user is not None and isinstance(room_id, str):
            if room_id in user.rooms:
                user.rooms.remove(room_id)
            user.rooms = [*user.rooms[-POOL:], room_id]


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    waiting, left = [value], MAX_LOOKED_AT
    while waiting and left:
        inner = waiting.pop()
        if isinstance(inner, dict):
            yield from inner.items()
            waiting += [part for part in inner.values() if isinstance(part, (dict, list))]
        elif isinstance(inner, list):
            waiting += [part for part in inner if isinstance(part, (dict, list))]
        left -= 1
