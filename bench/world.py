"""The people and rooms that a run needs, made through the ordinary client API of whatever server it is.

Groups that never share a room, so that one workload's rooms do not weigh on another's syncs: *members* of the
ten-member rooms (W1, W3, W4, latency), the *crowd* of the flat rooms (W2), the *hub*, one user in very many rooms (W5),
the *key ring*, who have published keys (keys), and the *library*, two users whose rooms hold very many messages
(search).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from bench.errors import BenchError
from bench.figures import median
from bench.keyring import Keys
from bench.load.pool import Pool
from bench.scale import MEMBERS_PER_ROOM, Scale

PASSWORD = "correct horse battery staple"

TIMED_JOINS = 10
"""The last joins of each flat room go one after another and are timed; the others only fill it."""

FILL_CHUNK = 64
"""So many joins between two looks at the clock while a flat room is filled."""

HUB_CHANGING_ROOMS = 10
"""Of the hub user's rooms, those that a second user is in too and speaks in."""


class User(msgspec.Struct):
    """A registered user and one device's access token."""

    user_id: str
    token: str


class SmallRoom(msgspec.Struct):
    """A room of `MEMBERS_PER_ROOM` members."""

    room_id: str
    members: list[User]


class Device(msgspec.Struct):
    """A further device of a member, for parked polls: its token, and a room that its user is in."""

    token: str
    room_id: str


class FlatRoom(msgspec.Struct):
    """A room with `reached` members where `target` were wanted."""

    room_id: str
    target: int
    reached: int
    fill_seconds: float
    last_join_ms: float
    senders: list[User]


class Hub(msgspec.Struct):
    """A user in many rooms, and another who speaks in some of them."""

    user: User
    other: User
    target: int
    reached: int
    fill_seconds: float
    changing_rooms: list[str]


class KeyRing(msgspec.Struct):
    """Users with a device and cross-signing keys each, and one who asks for all of them."""

    asker: User
    user_ids: list[str]


class Library(msgspec.Struct):
    """A user in many rooms, and another in as many others, for searches; the rooms are filled while nothing runs."""

    reader: User
    other: User
    rooms: list[str]
    other_rooms: list[str]
    index_cpu_us: float = 0.0
    """Processor time for each message that was put into the search index."""


class World(msgspec.Struct):
    """Everything that was made on one server."""

    rooms: list[SmallRoom] = []
    devices: list[Device] = []
    flat: list[FlatRoom] = []
    hub: Hub | None = None
    dwellers: list[Hub] = []
    """Users in few and in many rooms, for sliding sync."""
    key_ring: KeyRing | None = None
    library: Library | None = None
    seconds: dict[str, float] = {}
    """The parts that were made, and how long each took."""

    def save(self, path: Path) -> None:
        """Keep the world for a later run on the same data."""
        path.write_bytes(msgspec.json.encode(self))

    @classmethod
    def load(cls, path: Path) -> World:
        """Read what `save` wrote."""
        return msgspec.json.decode(path.read_bytes(), type=cls)


class Builder:
    """Makes a world on a running server."""

    def __init__(self, pool: Pool, scale: Scale) -> None:
        self._pool = pool
        self._scale = scale
        self._crowd: list[User] = []
        self.world = World()

    async def small_rooms(self) -> None:
        """Make the ten-member rooms and their members."""
        started = time.monotonic()

        async def one(number: int) -> SmallRoom:
            members = [await self._register(f"m{number}-{seat}") for seat in range(MEMBERS_PER_ROOM)]
            room_id = await self._create_room(members[0], f"Room {number}")
            for member in members[1:]:
                await self._join(member, room_id)
            return SmallRoom(room_id, members)

        self.world.rooms = await self._pool.each(range(self._scale.rooms), one)
        self.world.seconds["small_rooms"] = time.monotonic() - started

    async def devices(self) -> None:
        """Log members in again until there are as many devices as polls to park, the first ones included."""
        started = time.monotonic()
        if not self.world.rooms:
            raise BenchError("there are no small rooms whose members could log in again")
        seats = [(room.room_id, member) for room in self.world.rooms for member in room.members]
        first = [Device(member.token, room_id) for room_id, member in seats]
        missing = max(0, self._scale.parked - len(first))
        chosen = [seats[number % len(seats)] for number in range(missing)]

        async def one(seat: tuple[str, User]) -> Device:
            return Device(await log_in(self._pool, seat[1].user_id), seat[0])

        more = await self._pool.each(chosen, one)
        self.world.devices = (first + more)[: self._scale.parked]
        self.world.seconds["devices"] = time.monotonic() - started

    async def flat_rooms(self) -> None:
        """Make one room for each size; stop at the time limit and note how far the last one came."""
        started = time.monotonic()
        deadline = started + self._scale.flat_fill_seconds
        for target in self._scale.flat_members:
            if time.monotonic() >= deadline:
                break
            self.world.flat.append(await self._flat_room(target, deadline))
        self.world.seconds["flat_rooms"] = time.monotonic() - started

    async def hub(self) -> None:
        """Make the user in many rooms; stop at the time limit."""
        self.world.hub = await self._hub("hub", self._scale.hub_rooms)
        self.world.seconds["hub"] = self.world.hub.fill_seconds

    async def dwellers(self) -> None:
        """Make users in few and in many rooms; stop at the time limit, for each."""
        self.world.dwellers = [
            await self._hub(f"dweller{target}", target) for target in self._scale.sliding_rooms
        ]
        self.world.seconds["dwellers"] = sum(dweller.fill_seconds for dweller in self.world.dwellers)

    async def _hub(self, name: str, target: int) -> Hub:
        started = time.monotonic()
        deadline = started + self._scale.hub_fill_seconds
        user, other = await self._register(name), await self._register(f"{name}-other")
        rooms: list[str] = []

        async def one(number: int) -> None:
            if time.monotonic() < deadline:
                rooms.append(await self._create_room(user, f"Hub {number}"))

        await self._pool.each(range(target), one)
        changing = rooms[:: max(1, len(rooms) // HUB_CHANGING_ROOMS)][:HUB_CHANGING_ROOMS]
        for room_id in changing:
            await self._join(other, room_id)
        return Hub(user, other, target, len(rooms), time.monotonic() - started, changing)

    async def key_ring(self) -> None:
        """Make users who publish keys of a device, cross-signing keys, and a signature on the device."""
        started = time.monotonic()

        async def one(number: int) -> str:
            user = await self._register(f"k{number}")
            who = await self._pool.call("GET", "/_matrix/client/v3/account/whoami", user.token)
            keys = Keys(user.user_id, _text(who, "device_id"))
            for path, body in (
                ("upload", {"device_keys": keys.device_keys}),
                ("device_signing/upload", keys.cross_signing),
                ("signatures/upload", keys.signatures),
            ):
                answer = await self._pool.call("POST", f"/_matrix/client/v3/keys/{path}", user.token, body)
                if answer.get("failures"):
                    raise BenchError(f"a key was refused: {answer['failures']}")
            return user.user_id

        user_ids = await self._pool.each(range(self._scale.key_users), one)
        self.world.key_ring = KeyRing(await self._register("key-asker"), user_ids)
        self.world.seconds["key_ring"] = time.monotonic() - started

    async def library(self) -> None:
        """Make the users and rooms that messages are searched in."""
        started = time.monotonic()
        reader, other = await self._register("reader"), await self._register("library-other")
        rooms: dict[str, list[str]] = {reader.user_id: [], other.user_id: []}

        async def one(number: int) -> None:
            owner = (reader, other)[number % 2]
            rooms[owner.user_id].append(await self._create_room(owner, f"Library {number}"))

        await self._pool.each(range(self._scale.library_rooms * 2), one)
        self.world.library = Library(reader, other, rooms[reader.user_id], rooms[other.user_id])
        self.world.seconds["library"] = time.monotonic() - started

    async def _flat_room(self, target: int, deadline: float) -> FlatRoom:
        started = time.monotonic()
        await self._grow_crowd(MEMBERS_PER_ROOM)
        room_id = await self._create_room(self._crowd[0], f"Flat {target}")
        reached = 1
        timed_from = max(1, target - TIMED_JOINS)
        while reached < timed_from and time.monotonic() < deadline:
            until = min(reached + FILL_CHUNK, timed_from)
            await self._grow_crowd(until)
            await self._pool.each(self._crowd[reached:until], lambda user: self._join(user, room_id))
            reached = until
        last = reached + min(TIMED_JOINS, target - reached)
        await self._grow_crowd(last)
        times: list[float] = []
        for user in self._crowd[reached:last]:
            before = time.perf_counter()
            await self._join(user, room_id)
            times.append((time.perf_counter() - before) * 1000)
        return FlatRoom(
            room_id=room_id,
            target=target,
            reached=last,
            fill_seconds=time.monotonic() - started,
            last_join_ms=median(times),
            senders=self._crowd[:MEMBERS_PER_ROOM],
        )

    async def _grow_crowd(self, size: int) -> None:
        have = len(self._crowd)
        self._crowd += await self._pool.each(range(have, size), lambda number: self._register(f"c{number}"))

    async def _register(self, localpart: str) -> User:
        body = {
            "username": localpart,
            "password": PASSWORD,
            "auth": {"type": "m.login.dummy"},
            "inhibit_login": False,
        }
        made = await self._pool.call("POST", "/_matrix/client/v3/register", None, body)
        return User(_text(made, "user_id"), _text(made, "access_token"))

    async def _create_room(self, creator: User, name: str) -> str:
        body = {"preset": "public_chat", "name": name}
        return _text(
            await self._pool.call("POST", "/_matrix/client/v3/createRoom", creator.token, body), "room_id"
        )

    async def _join(self, user: User, room_id: str) -> None:
        await self._pool.call("POST", f"/_matrix/client/v3/join/{quote(room_id, safe='')}", user.token, {})


async def log_in(pool: Pool, user_id: str) -> str:
    """Log a user of this benchmark in on a new device; return its access token."""
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user_id},
        "password": PASSWORD,
    }
    return _text(await pool.call("POST", "/_matrix/client/v3/login", None, body), "access_token")


def _text(answer: Any, key: str) -> str:
    value = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(value, str):
        raise BenchError(f"an answer without {key}: {str(answer)[:200]}")
    return value
