"""What the delivery generators share: the parts of a `/sync` answer that they look at, and parked members."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from urllib.parse import quote

import msgspec

from bench.errors import BenchError
from bench.load.epoll import Link, Loop
from bench.load.wire import Response, request_bytes, sync_target

LONG_POLL_MS = 30_000
"""What Element and most clients ask for."""

INITIAL_SYNCS_AT_ONCE = 8
"""Initial syncs are set-up, not load: a few at a time."""

MAX_INITIAL_TIMEOUT_MS = 60_000
"""Initial syncs vary their timeout: Synapse repeats its last answer to the same request for two minutes, and
the unread counts that a workload starts from would be those of the workload before."""

SETUP_LIMIT_SECONDS = 600.0


class Content(msgspec.Struct):
    """An event's content; our messages carry their mark in `body`."""

    body: str = ""


class SyncEvent(msgspec.Struct):
    """One event of a timeline."""

    content: Content


class Timeline(msgspec.Struct):
    """The events of a room, oldest first."""

    events: list[SyncEvent] = []


class Unread(msgspec.Struct):
    """The unread counts of a room."""

    notification_count: int | None = None


class JoinedRoom(msgspec.Struct):
    """A joined room of a `/sync` answer."""

    timeline: Timeline = msgspec.field(default_factory=Timeline)
    unread_notifications: Unread = msgspec.field(default_factory=Unread)


class Rooms(msgspec.Struct):
    """The rooms of a `/sync` answer."""

    join: dict[str, JoinedRoom] = {}


class SyncBody(msgspec.Struct):
    """A `/sync` answer; everything else in it is skipped without being built."""

    next_batch: str
    rooms: Rooms = msgspec.field(default_factory=Rooms)


decode_sync = msgspec.json.Decoder(SyncBody).decode

OnRoom = Callable[[JoinedRoom, float], None]


class Poller:
    """A member whose client long-polls: after each answer it asks again at once, as clients do."""

    __slots__ = ("_link", "_on_room", "_poll_head", "_poll_tail", "_since", "_token", "room_id", "unread")

    def __init__(self, loop: Loop, token: str, room_id: str) -> None:
        self._link = Link(loop, self._on_initial)
        self._token = token
        # only the sync token changes from poll to poll, and a generator that builds less leaves more to the server
        prepared = request_bytes("GET", sync_target("\0", LONG_POLL_MS), token)
        self._poll_head, _, self._poll_tail = prepared.partition(b"%00")
        self._since: str | None = None
        self._on_room: OnRoom | None = None
        self.room_id = room_id
        self.unread: int | None = None

    @property
    def ready(self) -> bool:
        """Whether the initial sync has come."""
        return self._since is not None

    def start(self) -> None:
        """Ask for the initial sync. It answers at once whatever the timeout; a new one makes the request new."""
        timeout_ms = random.randrange(1, MAX_INITIAL_TIMEOUT_MS)
        self._link.send(request_bytes("GET", sync_target(None, timeout_ms), self._token))

    def park(self, on_room: OnRoom) -> None:
        """Begin to long-poll; `on_room` gets what each answer says of the room."""
        self._on_room = on_room
        self._link.on_response = self._on_poll
        self._poll()

    def _poll(self) -> None:
        assert self._since is not None
        self._link.send(b"%b%b%b" % (self._poll_head, quote(self._since, safe="").encode(), self._poll_tail))

    def _on_initial(self, response: Response, _now: float) -> None:
        body = decode_sync(response.expect_success("initial sync"))
        room = body.rooms.join.get(self.room_id)
        if room is None:
            raise BenchError(f"the initial sync does not show the room {self.room_id}")
        self.unread = room.unread_notifications.notification_count or 0
        self._since = body.next_batch

    def _on_poll(self, response: Response, now: float) -> None:
        body = decode_sync(response.expect_success("sync"))
        self._since = body.next_batch
        self._poll()
        room = body.rooms.join.get(self.room_id)
        if room is not None and self._on_room is not None:
            self._on_room(room, now)


def sync_all(loop: Loop, pollers: Sequence[Poller]) -> None:
    """Let all pollers do their initial sync, a few at a time. Raises `BenchError` when that takes too long."""
    deadline = time.monotonic() + SETUP_LIMIT_SECONDS
    waiting = list(reversed(pollers))
    running: list[Poller] = []
    while waiting or running:
        running = [poller for poller in running if not poller.ready]
        while waiting and len(running) < INITIAL_SYNCS_AT_ONCE:
            poller = waiting.pop()
            poller.start()
            running.append(poller)
        loop.turn(0.1)
        if time.monotonic() > deadline:
            raise BenchError(
                f"{len(waiting) + len(running)} initial syncs not done in {SETUP_LIMIT_SECONDS} s"
            )
