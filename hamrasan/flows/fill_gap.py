"""Fetching what is missing before an event that came (server-server API, "Backfilling and retrieving missing events").

Whoever sends an event whose past is not known here is asked for it, page by page, back to what is known. What comes is
added from the oldest on, like everything else. Only where that leads too far, or nowhere, the state before the oldest
event of it is taken from the other server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import TopologicalSorter

from hamrasan.federation.room_requests import RoomRequests
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.event import Event
from hamrasan.rooms.known_events import KnownEvents
from hamrasan.rooms.reception import MissingEvents, Outcome, Reception
from hamrasan.rooms.room import Room
from hamrasan.runtime.log import get_logger
from hamrasan.storage.ports.journal import CommitFailed

MAX_GAP = 2_000
"""Events that are fetched before one that came: what a room brings while a server is away for a night."""
MAX_BRIDGED = 500
"""Events that are fetched when somebody returns to a room: they wait for it, some five requests long."""
MAX_STATES = 2
"""States that are asked for on behalf of one event: a gap has one end, or one on each side of a fork."""
MAX_SERVERS = 3
"""Servers that are asked for the same thing, the one that sent the event first."""
MAX_AUTH_ROUNDS = 3
"""Auth chains that are fetched for one event: one should be all."""

_log = get_logger(__name__)


class FillGap:
    """Makes an event understood by what comes before it."""

    def __init__(self, reception: Reception, requests: RoomRequests, known: KnownEvents, own: str) -> None:
        self._reception = reception
        self._requests = requests
        self._known = known
        self._own = own

    async def add(self, room: Room, event: Event, origin: str) -> Outcome:
        """Add an event for which others are missing; return what became of it once that is durable.

        Raises `MissingEvents` if they cannot be had, and what `Reception.add` does.
        """
        servers = self._servers(room, origin)
        # Also where only auth events were said to be missing: of what it follows nothing was said then.
        gathered, open_ended = await self._gather(room, event, servers)
        states = MAX_STATES
        for earlier in in_order(gathered.values()):
            if earlier.event_id == event.event_id:
                continue
            told = states > 0 and earlier.event_id in open_ended
            states -= told
            try:
                await self._add_one(room, earlier, servers, told=told)
            except CommitFailed:
                raise
            except (MissingEvents, MatrixError) as error:
                _log.info("an event of a gap was not taken", event_id=earlier.event_id, reason=str(error))
        return await self._add_one(room, event, servers, told=states > 0)

    async def bridge(self, room: Room, joined: Event, server: str) -> None:
        """Add what happened in a room since everybody of this server left it, up to a join that another server took.

        Only if all of it can be had, and it is not too much: else there stays a gap, before the state that was told.
        """
        gathered, open_ended = await self._gather(room, joined, [server], MAX_BRIDGED)
        if open_ended:
            return
        for earlier in in_order(gathered.values()):
            if earlier.event_id == joined.event_id:
                continue
            try:
                await self._add_one(room, earlier, [server], told=False)
            except CommitFailed:
                raise
            except (MissingEvents, MatrixError) as error:
                _log.info("an event of a gap was not taken", event_id=earlier.event_id, reason=str(error))
                return

    def _servers(self, room: Room, origin: str) -> list[str]:
        others = sorted(room.servers, key=lambda server: -room.servers[server])
        return [origin, *(s for s in others if s not in (origin, self._own))][:MAX_SERVERS]

    async def _gather(
        self, room: Room, event: Event, servers: Sequence[str], most: int = MAX_GAP
    ) -> tuple[dict[str, Event], set[str]]:
        """Return an event with what is missing before it, and those of them that follow something still unknown."""
        gathered = {event.event_id: event}
        missing = await self._unknown(room, gathered, [event])
        is_first = True
        while missing and len(gathered) < most:
            found = await self._page(room, event if is_first else None, sorted(missing), servers)
            # Pages go on behind the gap: what is in the room already is none of it.
            known = await self._known.find(room.number, room.id, [each.event_id for each in found])
            here = gathered.keys() | known.stored.keys()
            new = {each.event_id: each for each in found if each.event_id not in here}
            is_first = False
            # Only what leads on is kept: whoever answers may not push anything in beside it.
            fresh = _reachable(missing, new)
            if not fresh:
                break
            gathered.update({each.event_id: each for each in fresh})
            missing = (missing - gathered.keys()) | await self._unknown(room, gathered, fresh)
        open_ended = {
            each.event_id for each in gathered.values() if any(p in missing for p in each.prev_events)
        }
        return gathered, open_ended

    async def _page(
        self, room: Room, event: Event | None, missing: Sequence[str], servers: Sequence[str]
    ) -> list[Event]:
        """Return some of what is missing, from the first server that has any; the first page comes with the event."""
        for server in servers:
            try:
                if event is not None:
                    found = await self._requests.missing_events(
                        server, room, room.extremities, [event.event_id]
                    )
                else:
                    found = await self._requests.backfill(server, room, missing[:20])
            except CommitFailed:
                raise
            except MatrixError as error:
                _log.info("a server does not say what is missing", server=server, reason=error.message)
                continue
            if found:
                return found
        return []

    async def _unknown(self, room: Room, gathered: dict[str, Event], events: Iterable[Event]) -> set[str]:
        """Return what these events follow and that is neither known nor gathered."""
        previous = {p for event in events for p in event.prev_events if p not in gathered}
        known = await self._known.find(room.number, room.id, previous)
        return set(known.missing(previous))

    async def _add_one(self, room: Room, event: Event, servers: Sequence[str], *, told: bool) -> Outcome:
        """Add an event, with its auth events if these are missing and, if `told`, the state before it."""
        state: Sequence[Event] | None = None
        for _ in range(MAX_AUTH_ROUNDS):
            try:
                return await self._reception.add(room, event, state_before=state)
            except MissingEvents as missing:
                if missing.auth:
                    await self._add_auth_chain(room, event, servers)
                elif told and state is None:
                    state = await self._state_before(room, event, servers)
                else:
                    raise
        return await self._reception.add(room, event, state_before=state)

    async def _add_auth_chain(self, room: Room, event: Event, servers: Sequence[str]) -> None:
        for server in servers:
            try:
                chain = await self._requests.auth_chain(server, room, event.event_id)
                await self._reception.add_outliers(room, chain)
            except CommitFailed:
                raise
            except (MissingEvents, MatrixError) as error:
                _log.info("a server does not give an auth chain", server=server, reason=str(error))
                continue
            return

    async def _state_before(self, room: Room, event: Event, servers: Sequence[str]) -> Sequence[Event] | None:
        for server in servers:
            try:
                told = await self._requests.state_before(server, room, event.event_id)
                await self._reception.add_outliers(room, told.auth_chain)
            except CommitFailed:
                raise
            except (MissingEvents, MatrixError) as error:
                _log.info("a server does not give a state", server=server, reason=str(error))
                continue
            if told.state:
                return told.state
        return None


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return events so that each comes after those of them that it follows, whatever depths they claim."""
    found = {event.event_id: event for event in events}
    # There are no circles: an id is a hash over the ids of what the event follows.
    order = TopologicalSorter(
        {event_id: [p for p in event.prev_events if p in found] for event_id, event in found.items()}
    )
    return [found[event_id] for event_id in order.static_order()]


def _reachable(missing: Iterable[str], found: dict[str, Event]) -> list[Event]:
    """Return those of the events found that are missing, and what these follow."""
    reached: dict[str, Event] = {}
    waiting = [event_id for event_id in missing if event_id in found]
    while waiting:
        event_id = waiting.pop()
        if event_id not in reached:
            reached[event_id] = found[event_id]
            waiting += [p for p in found[event_id].prev_events if p in found]
    return list(reached.values())
