"""Events and states as other servers ask for them (server-server API, "Backfilling and retrieving missing events",
"Retrieving events").

Who asks has to be in the room. What a server may not see goes out in its redacted form, so that the room's graph has
no holes where its users have none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any, NamedTuple

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import invalid_param, not_found
from hamrasan.protocol.redaction import redact
from hamrasan.rooms.federated_events import FederatedEvents
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.rooms.server_access import ServerAccess
from hamrasan.rooms.server_history import ServerHistory
from hamrasan.runtime.slices import give_way
from hamrasan.storage.ports.federated_rooms import OUTLIER
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import OUTSIDE, StoredEvent
from hamrasan.storage.ports.serving import ServingReader

MAX_BACKFILL = 100
"""Events of one answer to `/backfill`; other servers ask for as many at a time."""
MAX_MISSING = 100
"""Events of one answer to `/get_missing_events`; who misses more goes on with `/backfill`."""
DEFAULT_MISSING = 10
"""... for who names no number (`POST /get_missing_events`)."""
MAX_GIVEN = 100
"""Events that one request may name to go back from, or to stop at. A room rarely has more than a few last events."""
MAX_PASSED = 2_000
"""Events that are looked at to find those of one answer: others lie between them where a room has branches."""
PAGE = 100
"""Events read at once."""
PDUS_AT_ONCE = 40
"""Of a long answer, put together and sent before the next ones: two milliseconds if all have to be signed first."""

_BEFORE_ALL: Position = -(2**62)


class ServedState(NamedTuple):
    """The state before an event, and what authorises it, by ids."""

    state: list[str]
    auth_chain: list[str]


class ServedEvents:
    """Gives out events of rooms to the servers in them."""

    def __init__(
        self,
        registry: RoomRegistry,
        access: ServerAccess,
        events: FederatedEvents,
        history: ServerHistory,
        serving: ServingReader,
    ) -> None:
        self._registry = registry
        self._access = access
        self._events = events
        self._history = history
        self._serving = serving

    async def event(self, server: str, event_id: str) -> dict[str, Any]:
        """Return one event that `server` may have, of any room that it is in.

        Raises `M_NOT_FOUND` for one that is not known here, or that the rules refused; `M_FORBIDDEN`.
        """
        stored = await self._registry.events.by_id(event_id)
        if stored is not None:
            room = await self._room(stored.room, server)
            return (await self.pdus(room, server, [stored]))[0]
        # Beside a room are events that authorise others; they are state, which servers in the room may have.
        for side in await self._registry.federated.side_events([event_id]):
            if side.kind == OUTLIER:
                await self._room(side.room, server)
                pdu: dict[str, Any] = parse_json(side.pdu)
                return pdu
        raise not_found("This event is not known here.")

    async def _room(self, number: int, server: str) -> Room:
        row = await self._serving.room(number)
        if row is None:
            raise not_found("This event is not known here.")
        return await self._access.resident(row.room_id, server)

    async def pdus(self, room: Room, server: str, events: Sequence[StoredEvent]) -> list[dict[str, Any]]:
        """Return events in federation format, redacted where `server` may not see them."""
        visible = await self._history.visible(room, server, events)
        found: list[dict[str, Any]] = []
        for stored in events:
            pdu = await self._events.pdu(stored)
            found.append(pdu if stored.event_id in visible else redact(pdu, room.version))
        return found

    async def backfill(
        self, room: Room, server: str, event_ids: Sequence[str], limit: int
    ) -> list[dict[str, Any]]:
        """Return these events and what came before them, the newest first, at most `limit`.

        Unknown ones are left out. Raises `M_INVALID_PARAM` for too many.
        """
        _check_number(event_ids)
        found = await self._back(room, event_ids, (), min(limit, MAX_BACKFILL))
        return await self.pdus(room, server, found)

    async def missing(
        self,
        room: Room,
        server: str,
        latest: Sequence[str],
        earliest: Sequence[str],
        limit: int,
        min_depth: int,
    ) -> list[dict[str, Any]]:
        """Return what came before the events `latest` and is neither `earliest` nor before that, the oldest first.

        Of more than `limit` events, the newest. Raises `M_INVALID_PARAM` for too many given events.
        """
        _check_number(latest)
        _check_number(earliest)
        known = await self._of_room(room, latest)
        previous = {event_id for stored in known for event_id in _previous(stored)}
        wanted = previous - set(latest)
        found = await self._back(room, wanted, earliest, min(limit, MAX_MISSING), min_depth)
        return (await self.pdus(room, server, found))[::-1]

    async def _back(
        self, room: Room, start: Iterable[str], stop: Collection[str], limit: int, min_depth: int = 0
    ) -> list[StoredEvent]:
        """Return the events of `start` and what they follow, the newest first, but nothing of `stop` or only before it.

        An event has a higher position than what it follows, so one way down the room meets all of them; what others
        wrote on another branch is passed by.
        """
        wanted = set(start).difference(stop)
        first = await self._of_room(room, list(wanted))
        found: list[StoredEvent] = []
        if not first:
            return found
        upto, passed = max(stored.position for stored in first), 0
        while wanted and len(found) < limit and passed < MAX_PASSED:
            page = await self._registry.events.page(room.number, _BEFORE_ALL, upto, PAGE, backwards=True)
            for stored in page:
                passed += 1
                if stored.event_id not in wanted:
                    continue
                wanted.discard(stored.event_id)
                if stored.depth < min_depth:
                    continue
                found.append(stored)
                if len(found) == limit:
                    break
                wanted.update(event_id for event_id in _previous(stored) if event_id not in stop)
            if len(page) < PAGE:
                break
            upto = page[-1].position - 1
        return found

    async def _of_room(self, room: Room, event_ids: Sequence[str]) -> list[StoredEvent]:
        """Return those of the events that have a place in the room's timeline."""
        return [
            stored
            for stored in await self._registry.events.by_ids(event_ids)
            if stored.room == room.number and stored.flags < OUTSIDE
        ]

    async def state_before(self, room: Room, event_id: str) -> ServedState:
        """Return the state before an event of a room; raise `M_NOT_FOUND` if it is not known here."""
        await self._check_is_in(room, event_id)
        state = list((await self._events.state_before(room, event_id)).values())
        return ServedState(state, await self._events.auth_chain(state))

    async def auth_chain(self, room: Room, event_id: str) -> list[str]:
        """Return what an event leads to by its auth events; raise `M_NOT_FOUND` for one that is not in the room."""
        await self._check_is_in(room, event_id)
        return await self._events.auth_chain([event_id])

    async def _check_is_in(self, room: Room, event_id: str) -> None:
        stored = await self._registry.events.by_id(event_id)
        number = None if stored is None else stored.room
        for side in await self._registry.federated.side_events([event_id]) if stored is None else ():
            number = side.room
        if number != room.number:
            raise not_found("This event is not known in this room.")

    async def stream(self, event_ids: Sequence[str]) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield events in federation format, some at a time; unknown ones are left out."""
        for start in range(0, len(event_ids), PDUS_AT_ONCE):
            if start:
                await give_way()
            found = await self._events.pdus(event_ids[start : start + PDUS_AT_ONCE])
            yield list(found.values())

    async def nearest(self, room: Room, server: str, ts: int, *, backwards: bool) -> StoredEvent:
        """Return the event nearest to a time, before it if `backwards`, else after; raise `M_NOT_FOUND` without one.

        One that the server may not see is not told of, either.
        """
        stored = await self._registry.events.nearest(room.number, ts, backwards=backwards)
        if stored is None or not await self._history.visible(room, server, [stored]):
            raise not_found("No event of this room is near that time.")
        return stored


def _previous(stored: StoredEvent) -> list[str]:
    previous: list[str] = parse_json(stored.envelope)["prev_events"]
    return previous


def _check_number(event_ids: Sequence[str]) -> None:
    if len(event_ids) > MAX_GIVEN:
        raise invalid_param(f"At most {MAX_GIVEN} events can be named at once.")
