"""History that this server does not have, fetched when somebody pages back to it (server-server API, "Backfilling and
retrieving missing events", "Retrieving events", `timestamp_to_event`).
"""

from __future__ import annotations

from hamrasan.federation.client import FederationClient, path_of
from hamrasan.federation.pdu_checks import PduChecks
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.history import History
from hamrasan.rooms.reception import MissingEvents, Reception
from hamrasan.rooms.residency import servers_of
from hamrasan.rooms.room import Room
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.rooms import EventReader

EVENTS = 100
"""Events asked for at once: what a transaction between servers may hold twice, and a page of most clients."""
MAX_CITED = 20
"""Events before which history is asked for."""
MAX_SERVERS = 4
"""Servers that are asked, one after another, while somebody waits."""
TIMEOUT_S = 20.0
MAX_ROUNDS_TO_EVENT = 20
"""Times that history is fetched to come to the event at some point in time: two thousand events."""

_log = get_logger(__name__)


class Backfill:
    """Fetches older events of rooms."""

    def __init__(
        self,
        client: FederationClient,
        checks: PduChecks,
        reception: Reception,
        events: EventReader,
        history: History,
        server_name: str,
    ) -> None:
        self._history = history
        self._client = client
        self._checks = checks
        self._reception = reception
        self._events = events
        self._server_name = server_name
        self._locks = KeyedLocks()

    def is_complete(self, room: Room) -> bool:
        """Return whether the beginning of a room is known, or of what has not expired of it."""
        return not room.missing or self._history.has_expired(room)

    async def go_on(self, room: Room) -> bool:
        """Fetch events before the oldest known one; return whether there are more now than when this was called.

        False if there are none, or no server gives them.
        """
        before = room.missing
        if self.is_complete(room):
            return False
        async with self._locks(room.id):
            missing = room.missing
            if missing != before:
                return True  # somebody else has paged back meanwhile
            for server in self._servers(room):
                try:
                    if await self._fetch(server, room, missing[:MAX_CITED]):
                        return True
                except (MatrixError, MissingEvents) as error:
                    _log.info("no history came", room=room.id, server=server, reason=str(error))
        return False

    async def _fetch(self, server: str, room: Room, cited: tuple[str, ...]) -> int:
        answer = await self._client.get(
            server,
            path_of("/_matrix/federation/v1/backfill/{}", room.id),
            query={"v": list(cited), "limit": EVENTS},
            timeout_s=TIMEOUT_S,
        )
        pdus = answer.get("pdus")
        if not isinstance(pdus, list):
            return 0
        checked = await self._checks.check_pdus(pdus[: EVENTS * 2], room.version, room_id=room.id)
        newest_first = sorted(checked.events, key=lambda event: event.depth, reverse=True)
        return await self._reception.add_history(room, newest_first, lenient=True)

    async def to_time(self, room: Room, ts: int, *, backwards: bool) -> str | None:
        """Return the id of the event nearest to a time that other servers know, once it is here, too; else None."""
        for server in self._servers(room):
            try:
                answer = await self._client.get(
                    server,
                    path_of("/_matrix/federation/v1/timestamp_to_event/{}", room.id),
                    query={"ts": ts, "dir": "b" if backwards else "f"},
                    timeout_s=TIMEOUT_S,
                )
            except MatrixError:
                continue
            event_id = answer.get("event_id")
            if isinstance(event_id, str) and await self._reach(room, event_id):
                return event_id
        return None

    async def _reach(self, room: Room, event_id: str) -> bool:
        for _ in range(MAX_ROUNDS_TO_EVENT):
            stored = await self._events.by_id(event_id)
            if stored is not None:
                return stored.room == room.number
            if not await self.go_on(room):
                return False
        return False

    def _servers(self, room: Room) -> list[str]:
        return [server for server in servers_of(room) if server != self._server_name][:MAX_SERVERS]
